// Command openapi checks a console's API with an independent library: its OpenAPI document is valid,
// and every answer is valid by the document, whatever is asked.
//
// It is a module of its own, so that the product does not depend on the library.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// values are the values that parameters get.
var values = []string{
	"1", "0", "-1", "99999999999999999999", "true", "acme", "day", "day,model", "user,hour", "label", "tenant,day,user", "2026-11-01", "2026-11-01T00:00:01Z", "2026-13-45", "csv", "json",
	"é", "'; --", "a=b", "00000000-0000-0000-0000-000000000000", "MTc2MzQ3NDY0NTAwMDAwMC9h", "%", strings.Repeat("9", 400),
}

func main() {
	if err := run(os.Args[1], os.Getenv("BURSAR_TOKEN")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run checks the document of the console at a URL, and its answers to requests with a credential.
func run(console, credential string) error {
	text, err := read(console + "/api/ai/openapi.json")
	if err != nil {
		return err
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return fmt.Errorf("build its model: %w", err)
	}
	valid, errs := validator.NewValidator(document)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("make a validator: %w", err)
	}
	c := checker{console: console, credential: credential, valid: valid, statuses: map[int]int{}}
	if ok, wrong := valid.ValidateDocument(); !ok {
		for _, one := range wrong {
			c.failed = append(c.failed, fmt.Errorf("the document: %s: %s", one.Message, one.Reason))
		}
	}
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		if item.Get != nil {
			c.askAll(path, item.Get)
		}
	}
	fmt.Printf("OpenAPI %s: %d answers by status %v, %d not as the document says\n", model.Model.Version, c.asked, c.statuses, len(c.failed))
	return errors.Join(c.failed...)
}

func read(address string) ([]byte, error) {
	response, err := http.Get(address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(response.Body)
}

// checker makes requests, and notes which answers are not valid by the document.
type checker struct {
	console, credential string
	valid               validator.Validator
	asked               int
	statuses            map[int]int
	failed              []error
}

// askAll requests an operation without parameters, and with each value for each of its parameters.
func (c *checker) askAll(path string, operation *v3.Operation) {
	c.ask(path, nil)
	for _, p := range operation.Parameters {
		if p.In == "header" {
			continue
		}
		for _, value := range values {
			c.ask(path, map[string]string{p.Name: value})
		}
	}
}

// ask makes a request with some parameters, and checks the answer by the document.
func (c *checker) ask(path string, given map[string]string) {
	query := url.Values{}
	for name, value := range given {
		if strings.Contains(path, "{"+name+"}") {
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
		} else {
			query.Set(name, value)
		}
	}
	for strings.Contains(path, "{") { // what is not given in the path
		before, rest, _ := strings.Cut(path, "{")
		_, after, _ := strings.Cut(rest, "}")
		path = before + "acme" + after
	}
	request, err := http.NewRequest(http.MethodGet, c.console+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		c.failed = append(c.failed, err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+c.credential)
	client := http.Client{Timeout: 30 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		c.failed = append(c.failed, err)
		return
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	c.asked++
	c.statuses[response.StatusCode]++
	if err != nil || response.StatusCode >= http.StatusInternalServerError {
		c.failed = append(c.failed, fmt.Errorf("GET %s: %d %.200s %w", request.URL, response.StatusCode, body, err))
		return
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if ok, wrong := c.valid.ValidateHttpResponse(request, response); !ok {
		for _, one := range wrong {
			c.failed = append(c.failed, fmt.Errorf("GET %s: %d %s: %s: %v: %.300s", request.URL, response.StatusCode, one.Message, one.Reason, one.SchemaValidationErrors, body))
		}
	}
}
