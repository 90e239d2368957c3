//go:build clients

package clients

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
)

// client is a client: a program of this directory, or of that for Go.
type client struct {
	name string
	inGo bool
	// apis are those that it calls, beside embeddings.
	apis   []string
	embeds bool
	// rateError and paymentError are the types of its own errors for 429 and for 402.
	rateError, paymentError string
	// tries is how often it makes a call that is refused for money with 429. tiresAtOnce is
	// whether it does not retry a call that came too soon, unless it is configured to.
	tries       int
	tiresAtOnce bool
	// base is the path of its base URL, where it must be that.
	base string
}

// The AI SDK tries every 429 again, whatever x-should-retry says. OpenAI's clients have no
// type of their own for 402.
var clients = []client{
	{name: "openai", apis: []string{"chat", "responses"}, embeds: true, rateError: "RateLimitError", paymentError: "APIError", tries: 1},
	{name: "openai-go", inGo: true, apis: []string{"chat", "responses"}, embeds: true, rateError: "openai.Error", paymentError: "openai.Error", tries: 1},
	{name: "anthropic", apis: []string{"messages"}, rateError: "RateLimitError", paymentError: "PaymentRequiredError", tries: 1},
	{
		name: "anthropic-sdk-go", inGo: true, apis: []string{"messages"},
		rateError: "anthropic.Error/billing_error", paymentError: "anthropic.Error/billing_error", tries: 1,
	},
	{name: "genai", apis: []string{"generateContent"}, rateError: "ApiError", paymentError: "ApiError", tries: 1, tiresAtOnce: true},
	{name: "ai-openai", apis: []string{"chat", "responses"}, embeds: true, rateError: "APICallError", paymentError: "APICallError", tries: 3},
	{name: "ai-openai-compatible", apis: []string{"chat"}, embeds: true, rateError: "APICallError", paymentError: "APICallError", tries: 3},
	gatewayClient("ai-gateway-5", "/v1/ai"), gatewayClient("ai-gateway-6", "/v3/ai"), gatewayClient("ai-gateway-7", "/v4/ai"),
	{name: "langchain-openai", apis: []string{"chat", "responses"}, embeds: true, rateError: "RateLimitError", paymentError: "APIError", tries: 1},
	{name: "langchain-anthropic", apis: []string{"messages"}, rateError: "RateLimitError", paymentError: "APIError", tries: 1},
}

func gatewayClient(name, base string) client {
	return client{
		name: name, apis: []string{"chat"}, embeds: true, rateError: "GatewayRateLimitError", paymentError: "GatewayRateLimitError", tries: 3, base: base,
	}
}

// kind is what a call is for, as its name ends.
type kind string

const (
	whole      kind = ""
	streamed   kind = "Stream"
	tools      kind = "Tool"
	structured kind = "Object"
	embeddings kind = "embeddings"
)

// call is a call of a client.
type call struct {
	client client
	api    string
	kind   kind
}

// calls are all there are.
func calls() (all []call) {
	for _, c := range clients {
		for _, api := range c.apis {
			for _, k := range []kind{whole, streamed, tools, structured} {
				all = append(all, call{c, api, k})
			}
		}
		if c.embeds {
			all = append(all, call{c, "", embeddings})
		}
	}
	return all
}

// name is what the client's program calls it.
func (c call) name() string { return c.api + string(c.kind) }

func (c call) String() string { return c.client.name + "/" + c.name() }

func (c call) user() string { return strings.ToLower(c.client.name + "-" + c.name()) }

func anyCall(call) bool { return true }

// isPlain is whether a call uses neither tools nor a structure. Those need no tests of refusals of
// their own: they are refused like all others.
func isPlain(c call) bool { return c.kind != tools && c.kind != structured }

// The columns of the table that is printed at the end, and those of TestCalls.
var (
	columns  = []string{"whole", "streamed", "tools", "structured", "embeddings", "base URLs", "error in a stream", "cost comment", "429 for money", "402", "429 for rate"}
	columnOf = map[kind]string{whole: "whole", streamed: "streamed", tools: "tools", structured: "structured", embeddings: "embeddings"}
)

// noted is what came of the tests: by the client and its API, and by column.
var noted = struct {
	sync.Mutex
	ok map[[2]string]bool
}{ok: map[[2]string]bool{}}

// row is where the table has the call: embeddings stand with the first API of the client.
func (c call) row() string {
	api := c.api
	if c.kind == embeddings {
		api = c.client.apis[0]
	}
	return c.client.name + "\t" + api
}

func note(c call, column string, ok bool) {
	noted.Lock()
	defer noted.Unlock()
	cell := [2]string{c.row(), column}
	before, known := noted.ok[cell]
	noted.ok[cell] = ok && (before || !known)
}

// printTable prints what came of the tests, by client and feature.
func printTable() {
	noted.Lock()
	defer noted.Unlock()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer func() { _ = w.Flush() }()
	_, _ = fmt.Fprintf(w, "\nclient\tAPI\t%s\n", strings.Join(columns, "\t"))
	var rows []string
	for _, c := range calls() {
		if !slices.Contains(rows, c.row()) {
			rows = append(rows, c.row())
		}
	}
	for _, row := range rows {
		_, _ = fmt.Fprint(w, row)
		for _, column := range columns {
			ok, known := noted.ok[[2]string{row, column}]
			_, _ = fmt.Fprint(w, "\t"+map[[2]bool]string{{true, true}: "ok", {false, true}: "FAILED", {false, false}: "-"}[[2]bool{ok, known}])
		}
		_, _ = fmt.Fprintln(w)
	}
}
