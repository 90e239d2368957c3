package protocol_test

import (
	"net/url"
	"testing"

	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

func TestAzureBound(t *testing.T) {
	checkBounded(t, protocol.AzureChatCompletions{}, "/deployments/maxi-2026/chat/completions?api-version=2024-10-21", map[string]bounded{
		"the model is named in the path": {`{"messages":[],"max_tokens":7}`, 0, "", price.Usage{CacheWrite5m: length, Output: 7}},
		"the body does so, as well":      {`{"model":"maxi","messages":[],"max_tokens":7}`, 0, `{"model":"maxi-2026","messages":[],"max_tokens":7}`, price.Usage{CacheWrite5m: length, Output: 7}},
		"the path decides":               {`{"model":"dear","messages":[],"max_tokens":7}`, 0, `{"model":"maxi-2026","messages":[],"max_tokens":7}`, price.Usage{CacheWrite5m: length, Output: 7}},
	})
	checkBounded(t, protocol.AzureEmbeddings{}, "/deployments/maxi-2026/embeddings?api-version=2024-10-21", map[string]bounded{
		"embeddings": {`{"input":"hi"}`, 0, "", price.Usage{Input: length}},
	})
}

func TestAzureRefuses(t *testing.T) {
	checkRefused(t, protocol.AzureChatCompletions{}, map[string]refused{
		"a number for a model": {`{"model":1,"messages":[]}`, "model", false, "must be"},
		"data of its own":      {`{"messages":[],"data_sources":[{}]}`, "data_sources", true, "billed separately"},
	})
	for _, endpoint := range []protocol.Endpoint{protocol.AzureChatCompletions{}, protocol.AzureEmbeddings{}} {
		for _, version := range [][]string{nil, {""}, {"2024-10-21", "2024-10-21"}, {"2024-10-21&x=y"}} {
			in := incoming(`{"messages":[],"input":"hi"}`)
			in.Query = url.Values{"api-version": version}
			if _, err := endpoint.Read(in); err == nil {
				t.Errorf("%T takes version %q", endpoint, version)
			}
		}
	}
}

// TestAzureStream: a chunk without choices that is not the last passes.
func TestAzureStream(t *testing.T) {
	const filter = `data: {"choices":[],"prompt_filter_results":[]}` + "\n\n"
	checkAnswered(t, protocol.AzureChatCompletions{}, `{"messages":[],"stream":true,"stream_options":{"include_usage":true}}`, true, map[string]answered{
		"with a filter's results": {filter + first + usage + done, false, used, true, false},
		"cut after them":          {filter, true, price.Usage{}, false, true},
	})
}
