// Reads a file of alerts in the form that Grafana provisions, and says what Grafana's own types do not know in it.
//
// The file is Grafana's AlertingFileExport; the queries in it are those of its Prometheus data source and of its
// expressions. Prints a line for each problem and ends with 1 if there is one.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/go-openapi/strfmt"
	"github.com/grafana/grafana-foundation-sdk/go/expr"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-openapi-client-go/models"
	"sigs.k8s.io/yaml"
)

// expressions is the uid of the data source that evaluates expressions.
const expressions = "__expr__"

// query is what Grafana's types of queries have in common.
type query interface {
	UnmarshalJSONStrict(raw []byte) error
	Validate() error
}

func main() {
	problems := 0
	for _, path := range os.Args[1:] {
		for _, err := range checkFile(path) {
			fmt.Printf("%s: %v\n", path, err)
			problems++
		}
	}
	if problems > 0 {
		os.Exit(1)
	}
}

// checkFile returns what is wrong with the form of a file.
func checkFile(path string) []error {
	text, err := os.ReadFile(path)
	if err != nil {
		return []error{err}
	}
	raw, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return []error{err}
	}
	var file models.AlertingFileExport
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return []error{err}
	}
	if err := file.Validate(strfmt.Default); err != nil {
		return []error{err}
	}
	return checkQueries(&file)
}

// checkQueries returns what is wrong with the queries of every rule, and an error if there is no rule.
func checkQueries(file *models.AlertingFileExport) (found []error) {
	rules := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			rules++
			for _, data := range rule.Data {
				if err := checkQuery(data); err != nil {
					found = append(found, fmt.Errorf("%s, query %s: %w", rule.Title, data.RefID, err))
				}
			}
		}
	}
	if rules == 0 {
		found = append(found, fmt.Errorf("no rule is in it"))
	}
	return found
}

// checkQuery holds the model of a query against the type of its data source.
func checkQuery(data *models.AlertQueryExport) error {
	raw, err := json.Marshal(data.Model)
	if err != nil {
		return err
	}
	var form query = &prometheus.Dataquery{}
	if data.DatasourceUID == expressions {
		form = &expr.TypeThreshold{}
	}
	for _, err := range []error{form.UnmarshalJSONStrict(raw), form.Validate()} {
		if err != nil && err.Error() != "" { // an empty list of errors is not nil
			return err
		}
	}
	return nil
}
