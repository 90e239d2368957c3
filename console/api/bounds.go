package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Bounds are what a route demands of a member of its body, as far as a form in HTML can say it.
type Bounds struct {
	// MinLength and MaxLength are in characters, MaxItems in items; nil for no bound.
	MinLength, MaxLength, MaxItems *int
	// Min and Max are of a number.
	Min, Max *float64
	// Pattern is a regular expression; empty for none.
	Pattern string
	// Choices are the values that there are; empty for any.
	Choices []string
	// Required is whether it must be there.
	Required bool
}

// BoundsOf are the bounds of a member of the body of the route with an operation id, such as
// "limits.amount", which is the amount of each of the limits. It fails if there is no such
// member.
func (a *API) BoundsOf(operation, member string) (b Bounds, err error) {
	schema, err := a.bodyOf(operation)
	if err != nil {
		return b, err
	}
	for name := range strings.SplitSeq(member, ".") {
		b.Required = false
		for _, required := range schema.Required {
			b.Required = b.Required || required == name
		}
		if schema = a.resolved(schema.Properties[name]); schema == nil {
			return b, fmt.Errorf("the body of %s has no %s", operation, member)
		}
		if schema.Items != nil {
			b.MaxItems = schema.MaxItems
			schema = a.resolved(schema.Items)
		}
	}
	b.MinLength, b.MaxLength, b.Min, b.Max, b.Pattern = schema.MinLength, schema.MaxLength, schema.Minimum, schema.Maximum, schema.Pattern
	for _, choice := range schema.Enum {
		b.Choices = append(b.Choices, fmt.Sprint(choice))
	}
	return b, nil
}

// CheckBody checks a body against the schema of the route with an operation id. Callers of the
// route's Question need it. The error is a *Problem, as the route answers it.
func (a *API) CheckBody(operation string, body any) error {
	schema, err := a.bodyOf(operation)
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return err
	}
	path, found := huma.NewPathBuffer([]byte("body"), len("body")), &huma.ValidateResult{}
	huma.Validate(a.OpenAPI.Components.Schemas, schema, path, huma.ModeWriteToServer, plain, found)
	if len(found.Errors) == 0 {
		return nil
	}
	return fromHuma(http.StatusUnprocessableEntity, "validation failed", found.Errors...)
}

// bodyOf is the schema of the body of a route.
func (a *API) bodyOf(operation string) (*huma.Schema, error) {
	for _, path := range a.OpenAPI.Paths {
		for _, o := range []*huma.Operation{path.Post, path.Patch, path.Put, path.Delete} {
			if o == nil || o.OperationID != operation || o.RequestBody == nil {
				continue
			}
			if media := o.RequestBody.Content["application/json"]; media != nil {
				return a.resolved(media.Schema), nil
			}
		}
	}
	return nil, fmt.Errorf("no route %q takes a body", operation)
}

// resolved is a schema, or the one that it names; nil for nil.
func (a *API) resolved(schema *huma.Schema) *huma.Schema {
	if schema != nil && schema.Ref != "" {
		return a.OpenAPI.Components.Schemas.SchemaFromRef(schema.Ref)
	}
	return schema
}
