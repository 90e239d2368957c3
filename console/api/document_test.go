package api_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// described are the routes that the OpenAPI document describes, and which request is of which.
type described struct {
	mux    *http.ServeMux
	routes map[string]*huma.Operation // by their patterns
}

var document = sync.OnceValue(func() described {
	d := described{mux: http.NewServeMux(), routes: map[string]*huma.Operation{}}
	for path, item := range shared.api.OpenAPI.Paths {
		for method, operation := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
		} {
			if operation != nil {
				pattern := method + " " + path
				d.routes[pattern] = operation
				d.mux.Handle(pattern, http.NotFoundHandler())
			}
		}
	}
	return d
})

// TestPatternsSayWhatTheyMean: a caller who sends a value in the wrong form is told the right form in words,
// rather than as a regular expression.
func TestPatternsSayWhatTheyMean(t *testing.T) {
	found := 0
	check := func(of, name string, schema *huma.Schema) {
		if schema != nil && schema.Pattern != "" {
			if found++; schema.PatternDescription == "" {
				t.Errorf("%s: %s has to match %s, and nothing says what that is", of, name, schema.Pattern)
			}
		}
	}
	for pattern, operation := range document().routes {
		for _, parameter := range operation.Parameters {
			check(pattern, parameter.Name, parameter.Schema)
		}
		if operation.RequestBody == nil {
			continue
		}
		for _, media := range operation.RequestBody.Content {
			for name, schema := range shared.api.OpenAPI.Components.Schemas.SchemaFromRef(media.Schema.Ref).Properties {
				check(pattern, name, schema)
			}
		}
	}
	if found < 10 {
		t.Errorf("%d patterns were found", found)
	}
	for path, want := range map[string]string{"/api/ai/budgets/A": "must be a name of lower-case letters, digits and hyphens", "/api/ai/usage?tenant=_": "must be a name of lower-case letters, digits and hyphens"} {
		var told api.Problem
		if do(t, http.MethodGet, path, token("adam.acme"), nil).read(t, &told); len(told.Errors) != 1 || told.Errors[0].Message != want {
			t.Errorf("%s: %+v, want %q", path, told.Errors, want)
		}
	}
}

// checkDescribed expects that an answer, to whatever request a test has made, is as the OpenAPI document says:
// its status and media type are among those of the route, and its body is valid by their schema. What is of no
// route is a problem all the same.
func checkDescribed(t testkit.T, request *http.Request, got answer) {
	t.Helper()
	if !strings.HasPrefix(request.URL.Path, api.Root+"/") || request.URL.Path == api.Document || request.Method == http.MethodHead {
		return
	}
	if err := document().check(request, got); err != nil {
		t.Fatalf("%s %s: %d, not as the document says: %v\n%.300s", request.Method, request.URL, got.status, err, got.body)
	}
}

func (d described) check(request *http.Request, got answer) error {
	problem := map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}}
	_, pattern := d.mux.Handler(request)
	operation, content := d.routes[pattern], problem
	if operation != nil {
		response := operation.Responses[strconv.Itoa(got.status)]
		if response == nil {
			return errors.New("the route has no such status")
		}
		content = response.Content
	}
	if len(content) == 0 {
		if got.body != "" {
			return errors.New("the status has no body")
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(got.header.Get("Content-Type"))
	if err != nil || content[media] == nil {
		return fmt.Errorf("the status has no body of type %q", got.header.Get("Content-Type"))
	}
	if media == "text/csv" {
		_, err := csv.NewReader(strings.NewReader(got.body)).ReadAll() // all rows have as many cells
		return err
	}
	var body any
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		return err
	}
	result := &huma.ValidateResult{}
	huma.Validate(shared.api.OpenAPI.Components.Schemas, content[media].Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, body, result)
	if len(result.Errors) > 0 {
		return result.Errors[0]
	}
	return nil
}
