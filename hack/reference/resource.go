package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// schema is the schema of a field.
type schema = apiextensionsv1.JSONSchemaProps

// writeResource writes the page of the kind that a file defines.
func writeResource(file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(raw, &definition); err != nil {
		return err
	}
	var page strings.Builder
	names := definition.Spec.Names
	fmt.Fprintf(&page, "# %s\n\n", names.Kind)
	for _, version := range definition.Spec.Versions {
		fmt.Fprintf(&page, "`apiVersion: %s/%s`, %s; `kubectl get %s`", definition.Spec.Group, version.Name, strings.ToLower(string(definition.Spec.Scope)), names.Plural)
		if len(names.ShortNames) > 0 {
			fmt.Fprintf(&page, " (`%s`)", strings.Join(names.ShortNames, "`, `"))
		}
		whole := version.Schema.OpenAPIV3Schema
		fmt.Fprintf(&page, ".\n\n%s\n", whole.Description)
		for _, part := range []string{"spec", "status"} {
			if described, found := whole.Properties[part]; found {
				fmt.Fprintf(&page, "\n## %s\n\n%s\n\n| field | type | meaning |\n|---|---|---|\n", part, described.Description)
				writeFields(&page, part, described)
				writeRules(&page, described)
			}
		}
		writeRules(&page, *whole)
	}
	return writePage(strings.ToLower(names.Kind)+".md", page.String())
}

// writeFields writes a row for each field within a schema, in order.
func writeFields(page *strings.Builder, path string, within schema) {
	for _, name := range slices.Sorted(maps.Keys(within.Properties)) {
		field := within.Properties[name]
		at := path + "." + name
		required := ""
		if slices.Contains(within.Required, name) {
			required = ", required"
		}
		fmt.Fprintf(page, "| `%s` | %s%s | %s |\n", at, typeOf(field), required, cell(strings.Join(append([]string{field.Description}, bounds(field)...), "\n")))
		writeWithin(page, at, field)
	}
}

// writeWithin writes the fields of a field, of its items or of its values.
func writeWithin(page *strings.Builder, path string, field schema) {
	switch {
	case field.Items != nil && field.Items.Schema != nil:
		writeWithin(page, path+"[]", *field.Items.Schema)
	case field.AdditionalProperties != nil && field.AdditionalProperties.Schema != nil:
		writeWithin(page, path+"{}", *field.AdditionalProperties.Schema)
	default:
		writeFields(page, path, field)
	}
}

func typeOf(field schema) string {
	switch {
	case field.XIntOrString:
		return "integer or string"
	case field.Type == "array" && field.Items != nil && field.Items.Schema != nil:
		return "list of " + typeOf(*field.Items.Schema)
	case field.Type == "object" && field.AdditionalProperties != nil && field.AdditionalProperties.Schema != nil:
		return "map of " + typeOf(*field.AdditionalProperties.Schema)
	case field.Format == "date-time":
		return "time"
	case field.Type == "":
		return "any"
	}
	return field.Type
}

// bounds say what values a field may have, besides its description.
func bounds(field schema) (all []string) {
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if field.Default != nil {
		say("Default: `%s`.", field.Default.Raw)
	}
	if len(field.Enum) > 0 {
		var values []string
		for _, value := range field.Enum {
			values = append(values, "`"+strings.Trim(string(value.Raw), `"`)+"`")
		}
		say("One of %s.", strings.Join(values, ", "))
	}
	for word, bound := range map[string]*int64{
		"Minimum length": field.MinLength, "Maximum length": field.MaxLength, "Minimum items": field.MinItems, "Maximum items": field.MaxItems,
	} {
		if bound != nil {
			say("%s: %d.", word, *bound)
		}
	}
	for word, bound := range map[string]*float64{"Minimum": field.Minimum, "Maximum": field.Maximum} {
		if bound != nil {
			say("%s: %v.", word, number(*bound))
		}
	}
	if field.Pattern != "" {
		say("Pattern: `%s`.", field.Pattern)
	}
	for _, rule := range field.XValidations {
		say("Rule: %s.", ruleOf(rule))
	}
	slices.Sort(all)
	return all
}

// number is a bound without an exponent.
func number(f float64) string {
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Sprint(f)
	}
	return string(text)
}

func ruleOf(rule apiextensionsv1.ValidationRule) string {
	if rule.Message != "" {
		return strings.TrimSuffix(rule.Message, ".")
	}
	return "`" + rule.Rule + "`"
}

// writeRules writes the rules that a schema has as a whole.
func writeRules(page *strings.Builder, of schema) {
	if len(of.XValidations) == 0 {
		return
	}
	page.WriteString("\nRules:\n\n")
	for _, rule := range of.XValidations {
		fmt.Fprintf(page, "- %s\n", ruleOf(rule))
	}
}

// cell is a text as it stands in a table.
func cell(text string) string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "|", `\|`)
	text = strings.NewReplacer("<", "&lt;", "\n\n", "<br>", "\n", "<br>").Replace(text)
	return strings.ReplaceAll(text, "&lt;br>", "<br>")
}
