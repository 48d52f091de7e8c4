"""What tests share: behaving fakes, running programs, real servers."""
