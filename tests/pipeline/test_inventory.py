"""Which resources are watched, when one has ended, and when its series leave; a clock is a number here."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.model.events import Millis, Resource
from exporter.model.state import Progress
from exporter.pipeline.inventory import MISSING_LISTINGS, Inventory, ResourceFilter

HOUR = 3_600_000
GRACE = 900.0
NOW = 1_790_000_000_000


def an_inventory(include: ResourceFilter | None = None, exclude: ResourceFilter | None = None) -> Inventory:
    return Inventory(include or ResourceFilter(), exclude or ResourceFilter(), GRACE)


def job(id_: str, life: str = "active", **fields: object) -> Resource:
    return replace(Resource(id_, status="Running"), life=life, **fields)


def vanish(inventory: Inventory, now: Millis = NOW) -> list[Resource]:
    """Empty listings until a resource counts as gone; what the last one changed."""
    for _ in range(MISSING_LISTINGS - 1):
        assert inventory.merge([], now) == []
    return inventory.merge([], now)


# --- which ones


@pytest.mark.parametrize(
    ("include", "exclude", "resource", "wanted"),
    [
        (ResourceFilter(), ResourceFilter(), Resource("1", "train"), True),
        (ResourceFilter(names=("train-*",)), ResourceFilter(), Resource("1", "train-7"), True),
        (ResourceFilter(names=("train-*",)), ResourceFilter(), Resource("1", "TRAIN-7"), False),
        (ResourceFilter(names=("a", "train-?")), ResourceFilter(), Resource("1", "train-7"), True),
        (ResourceFilter(names=("train-[0-9]",)), ResourceFilter(), Resource("1", "train-x"), False),
        (ResourceFilter(names=("job-*",)), ResourceFilter(), Resource("job-1", ""), True),
        (ResourceFilter(names=("job-*",)), ResourceFilter(), Resource("job-1", "train"), False),
        (ResourceFilter(statuses=("running",)), ResourceFilter(), Resource("1", status="Running"), True),
        (ResourceFilter(statuses=("running",)), ResourceFilter(), Resource("1", status="Failed"), False),
        (ResourceFilter(workspaces=("0",)), ResourceFilter(), Resource("1", workspace="0"), True),
        (ResourceFilter(workspaces=("0",)), ResourceFilter(), Resource("1", workspace="00"), False),
        (ResourceFilter(names=("a*",), workspaces=("0",)), ResourceFilter(), Resource("1", "ab", workspace="1"), False),
        (ResourceFilter(), ResourceFilter(names=("*-tmp",)), Resource("1", "x-tmp"), False),
        (ResourceFilter(), ResourceFilter(names=("*-tmp",)), Resource("1", "x"), True),
        (
            ResourceFilter(),
            ResourceFilter(names=("*-tmp",), statuses=("Failed",)),
            Resource("1", "x-tmp", status="Running"),
            True,
        ),
        (ResourceFilter(names=("a*",)), ResourceFilter(names=("*z",)), Resource("1", "abz"), False),
    ],
)
def test_a_resource_is_watched_if_it_is_included_and_not_excluded(
    include: ResourceFilter, exclude: ResourceFilter, resource: Resource, wanted: bool
) -> None:
    inventory = an_inventory(include, exclude)
    assert inventory.is_wanted(resource) is wanted
    assert [r.id for r in inventory.merge([resource], NOW)] == [resource.id] * wanted
    assert list(inventory.resources) == [resource.id] * wanted


# --- listings


def test_the_first_listing_gives_back_everything_and_the_next_only_what_changed() -> None:
    inventory = an_inventory()
    first, second = job("1"), job("2")
    assert inventory.merge([first, second], NOW) == [first, second]
    assert inventory.merge([first, second], NOW) == []
    renamed, third = replace(second, name="new"), job("3")
    assert inventory.merge([first, renamed, third], NOW) == [renamed, third]
    assert inventory.resources == {"1": first, "2": renamed, "3": third}
    assert inventory.open() == inventory.living() == ["1", "2", "3"]


def test_a_mark_is_a_hint_whichever_way_it_moves_and_what_did_not_change_is_kept() -> None:
    """A vendor's modification times may jump back: each jump is one hint, and none follows."""
    inventory = an_inventory()
    inventory.merge([job("a", mark=7), job("b", mark=7)], NOW)
    kept = inventory.resources["b"]
    for mark, hinted in ((9, ["a"]), (9, []), (3, ["a"]), (3, [])):
        assert inventory.merge([job("a", mark=mark), job("b", mark=7)], NOW) == []
        assert inventory.hinted == hinted
        assert inventory.resources["a"].mark == mark
    assert inventory.resources["b"] is kept


def test_an_end_counts_from_when_it_was_first_seen() -> None:
    inventory = an_inventory()
    inventory.merge([job("1")], NOW - HOUR)
    inventory.merge([job("1", "ended", finished=NOW - 10 * HOUR)], NOW)
    inventory.merge([job("1", "ended", finished=NOW - 10 * HOUR)], NOW + HOUR)
    assert inventory.progress == {"1": Progress(ended=NOW)}


@pytest.mark.parametrize(
    ("finished", "ended"),
    [(None, NOW), (NOW - 1000, NOW), (NOW - 900_000, NOW), (NOW - 900_001, NOW - 900_001)],
)
def test_one_that_had_ended_long_before_it_was_first_seen_counts_from_its_own_end(
    finished: Millis | None, ended: Millis
) -> None:
    inventory = an_inventory()
    inventory.merge([job("1", "ended", finished=finished)], NOW)
    assert inventory.progress_of("1") == Progress(ended=ended)
    assert inventory.living() == []
    assert inventory.open() == ["1"], "it is read once more"


def test_what_was_known_from_an_earlier_run_and_has_ended_meanwhile_has_its_grace() -> None:
    inventory = an_inventory()
    inventory.restore({"1": job("1")}, {"1": Progress(complete=NOW - 9 * HOUR)}, NOW - 20 * HOUR)
    assert inventory.contact == NOW - 20 * HOUR
    inventory.merge([job("1", "ended", finished=NOW - 8 * HOUR)], NOW)
    assert inventory.progress_of("1") == Progress(complete=NOW - 9 * HOUR, ended=NOW)


def test_a_resource_that_comes_back_to_life_is_read_again() -> None:
    inventory = an_inventory()
    inventory.restore({"1": job("1", "ended")}, {"1": Progress(complete=5, ended=7, closed=True)}, 1)
    assert inventory.open() == []
    inventory.expired.add("1")
    inventory.merge([job("1")], NOW)
    assert inventory.progress_of("1") == Progress(complete=5)
    assert inventory.open() == ["1"]
    assert inventory.expired == set()


# --- gone


def test_a_resource_is_gone_after_three_listings_without_it() -> None:
    inventory = an_inventory()
    inventory.merge([job("1", name="n")], NOW - HOUR)
    assert inventory.merge([], NOW) == []
    assert inventory.merge([], NOW) == []
    assert inventory.progress_of("1").ended is None
    assert inventory.merge([], NOW) == [job("1", "ended", name="n")]
    assert inventory.progress_of("1") == Progress(ended=NOW)
    assert inventory.merge([], NOW + HOUR) == []
    assert inventory.progress_of("1").ended == NOW, "it is told once"


def test_one_listing_with_it_makes_up_for_those_without() -> None:
    inventory = an_inventory()
    for found in ([job("1")], [], [], [job("1")], [], []):
        inventory.merge(found, NOW)
    assert inventory.resources["1"].life == "active"


def test_a_gone_resource_that_is_listed_again_lives() -> None:
    inventory = an_inventory()
    inventory.merge([job("1")], NOW)
    vanish(inventory)
    assert inventory.merge([job("1")], NOW + HOUR) == [job("1")]
    assert inventory.progress_of("1") == Progress()


def test_a_resource_that_is_not_wanted_any_more_goes_like_one_that_is_not_listed() -> None:
    inventory = an_inventory(include=ResourceFilter(statuses=("Running",)))
    inventory.merge([job("1")], NOW)
    for _ in range(MISSING_LISTINGS):
        inventory.merge([job("1", status="Failed")], NOW)
    assert inventory.resources["1"] == job("1", "ended")


def test_a_vendor_that_denies_a_resource_three_times_is_believed() -> None:
    inventory = an_inventory()
    inventory.merge([job("1")], NOW)
    assert [inventory.mark_not_found("1", NOW) for _ in range(3)] == [None, None, job("1", "ended")]
    assert inventory.progress_of("1") == Progress(ended=NOW, closed=True)
    assert inventory.open() == []
    assert inventory.mark_not_found("never there", NOW) is None


def test_a_denial_does_not_move_an_end_that_was_known() -> None:
    inventory = an_inventory()
    inventory.merge([job("1", "ended")], NOW)
    for _ in range(3):
        inventory.mark_not_found("1", NOW + HOUR)
    assert inventory.progress_of("1") == Progress(ended=NOW, closed=True)


# --- named by events only


def test_events_name_resources_that_no_listing_has() -> None:
    inventory = an_inventory()
    inventory.merge([job("listed", name="cluster")], NOW)
    backup = Resource("backup", kind="backup")
    assert inventory.name([backup, Resource("listed", kind="x")], {"backup": NOW, "listed": NOW}) == [backup]
    assert inventory.resources == {"listed": job("listed", name="cluster"), "backup": backup}
    assert inventory.name([backup], {"backup": NOW}) == []


def test_what_is_not_wanted_is_not_remembered_when_events_name_it() -> None:
    inventory = an_inventory(exclude=ResourceFilter(names=("*-tmp",)))
    assert inventory.name([Resource("1", "x-tmp")], {"1": NOW}) == []
    assert (inventory.resources, inventory.seen) == ({}, {})


def test_an_event_is_a_sign_of_life_of_what_counted_as_gone() -> None:
    inventory = an_inventory()
    backup = Resource("backup", "nightly", kind="backup")
    inventory.name([backup], {"backup": NOW})
    assert vanish(inventory) == [replace(backup, life="ended")]
    assert inventory.name([Resource("backup")], {"backup": NOW + HOUR}) == [backup], "with what is known of it"
    assert inventory.progress_of("backup") == Progress()
    assert inventory.left_before(NOW + HOUR) == []


def test_what_a_listing_says_of_an_end_stands_against_late_events() -> None:
    inventory = an_inventory()
    inventory.merge([job("1", "ended")], NOW)
    assert inventory.name([Resource("1")], {"1": NOW + HOUR}) == []
    assert inventory.resources["1"].life == "ended"


# --- leaving


def test_series_leave_some_time_after_the_end_or_the_last_sign_of_life() -> None:
    inventory = an_inventory()
    inventory.merge([job("alive"), job("over", "ended")], NOW)
    inventory.name([Resource("named")], {"named": NOW + 5})
    assert inventory.left_before(NOW) == []
    assert inventory.left_before(NOW + 1) == ["over"]
    assert inventory.left_before(NOW + 6) == ["over", "named"]
    inventory.name([Resource("named")], {"named": NOW + 9})
    assert inventory.left_before(NOW + 9) == ["over"]
    inventory.name([Resource("named")], {"named": NOW})
    assert inventory.left_before(NOW + 9) == ["over"], "an older event takes nothing back"
    assert inventory.has_left("over", NOW + 1)
    assert not inventory.has_left("over", NOW)
    inventory.merge([], NOW + HOUR)
    assert "alive" in inventory.left_before(NOW + 1), "out of the listing since then, if not yet given up"


def test_what_has_left_leaves_once_until_events_name_it_again() -> None:
    inventory = an_inventory()
    inventory.name([Resource("1")], {"1": NOW})
    inventory.expired.update(inventory.left_before(NOW + 1))
    assert inventory.left_before(NOW + HOUR) == []
    inventory.name([Resource("1")], {"1": NOW + 1})
    assert inventory.left_before(NOW + HOUR) == ["1"]


def test_what_leaves_is_known_by_how_far_it_was_read_and_nothing_else() -> None:
    inventory = an_inventory()
    inventory.merge([job("1")], NOW)
    inventory.merge([], NOW)
    inventory.expired.add("1")
    inventory.progress["1"] = Progress(complete=NOW)
    inventory.drop(["1", "never there"], [])
    assert (inventory.resources, inventory.seen, inventory.expired) == ({}, {}, set())
    assert (inventory.progress, inventory.outdated(NOW), inventory.outdated(NOW + 1)) == (
        {"1": Progress(complete=NOW)},
        [],
        ["1"],
    )
    inventory.name([job("1")], {"1": NOW})
    assert vanish(inventory) == [job("1", "ended")], "its misses count anew"


def test_an_end_of_an_earlier_run_that_is_not_on_record_counts_from_the_next_listing() -> None:
    """Else its series would never leave."""
    inventory = an_inventory()
    inventory.restore({"1": job("1", "ended")}, {}, 1)
    assert inventory.left_before(NOW + HOUR) == []
    inventory.merge([], NOW)
    assert inventory.left_before(NOW + 1) == ["1"]


ids = st.sampled_from("abcd")
listings = st.lists(
    st.dictionaries(ids, st.sampled_from(["active", "settled", "ended"]), max_size=4).map(
        lambda found: [job(id_, life) for id_, life in found.items()]
    ),
    max_size=12,
)


@given(listings)
@settings(deadline=None)
def test_an_end_is_known_exactly_of_those_that_have_ended(listings: list[list[Resource]]) -> None:
    inventory = an_inventory()
    for number, found in enumerate(listings):
        inventory.merge(found, NOW + number)
        for resource in found:
            assert inventory.resources[resource.id] == resource
        for id_, known in inventory.resources.items():
            assert (inventory.progress_of(id_).ended is not None) == (known.life == "ended")
    assert set(inventory.living()) == {id_ for id_, known in inventory.resources.items() if known.life != "ended"}
