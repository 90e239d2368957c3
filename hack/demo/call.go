package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/hack/stack"
)

// call is one chat completion as a user would ask for it.
type call struct {
	user, model string
	// token is sent instead of the user's API key, if it is set.
	token string
	// output is how many tokens the model has to answer with.
	output int
	stream bool
}

// answer is what came back.
type answer struct {
	status string
	code   int
	header http.Header
	body   []byte
}

// do makes the call, through one enforcer after the other.
func (d *demo) do(ctx context.Context, c call) (answer, error) {
	url := d.stack.EnforcerURLs[d.calls%len(d.stack.EnforcerURLs)] + "/v1/chat/completions"
	d.calls++
	body, err := json.Marshal(map[string]any{
		"model":                 c.model,
		"stream":                c.stream,
		"max_completion_tokens": c.output,
		"messages": []map[string]string{
			{"role": "user", "content": fmt.Sprintf("Write the report. [[output=%d]]", c.output)},
		},
	})
	if err != nil {
		return answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+cmp.Or(c.token, stack.SampleKey(c.user)))
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return answer{status: response.Status, code: response.StatusCode, header: response.Header, body: content}, err
}

// errorCode is the code in the error body of a refusal.
func (a answer) errorCode() string {
	var body struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	_ = json.Unmarshal(a.body, &body) // a body that is no refusal has no code
	return body.Error.Code
}

// print shows a refusal as a client sees it.
func (a answer) print() {
	fmt.Println("  HTTP", a.status)
	var names []string
	for name := range a.header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-") || lower == "retry-after" || lower == "content-type" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Printf("  %s: %s\n", strings.ToLower(name), a.header.Get(name))
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, a.body, "  ", "  "); err != nil {
		pretty.Write(a.body)
	}
	fmt.Printf("\n  %s\n", strings.TrimSpace(pretty.String()))
}

// callUntilRefused makes the call again and again until it is refused, and returns
// how many were admitted before that, and the refusal.
func (d *demo) callUntilRefused(ctx context.Context, c call, most int) (admitted int, refusal answer, err error) {
	for range most {
		c.stream = !c.stream
		a, err := d.do(ctx, c)
		switch {
		case err != nil:
			return admitted, a, err
		case a.code == http.StatusOK:
			admitted++
		case a.code == http.StatusTooManyRequests:
			return admitted, a, nil
		default:
			return admitted, a, fmt.Errorf("call of %s: %s: %s", c.user, a.status, a.body)
		}
	}
	return admitted, answer{}, fmt.Errorf("%d calls of %s and none was refused", most, c.user)
}
