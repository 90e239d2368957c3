package protocol_test

import (
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

func TestEmbeddingsBound(t *testing.T) {
	checkBounded(t, protocol.Embeddings{}, "/embeddings", map[string]bounded{
		"a text":           {`{"model":"maxi","input":"hi"}`, 0, `{"model":"maxi-2026","input":"hi"}`, price.Usage{Input: length}},
		"texts":            {`{"model":"maxi","input":["hi","ho"]}`, 5, `{"model":"maxi-2026","input":["hi","ho"]}`, price.Usage{Input: length}},
		"tokens":           {`{"model":"maxi","input":[1,2,3]}`, 0, `{"model":"maxi-2026","input":[1,2,3]}`, price.Usage{Input: length}},
		"texts of tokens":  {`{"model":"maxi","input":[[1,2],[3]]}`, 0, `{"model":"maxi-2026","input":[[1,2],[3]]}`, price.Usage{Input: length}},
		"beyond a window":  {`{"model":"maxi","input":"hihihihihihihihi"}`, 5, `{"model":"maxi-2026","input":"hihihihihihihihi"}`, price.Usage{Input: 5}},
		"what else may be": {`{"model":"maxi","input":"","dimensions":8,"encoding_format":"base64"}`, 0, `{"model":"maxi-2026","input":"","dimensions":8,"encoding_format":"base64"}`, price.Usage{Input: length}},
	})
}

func TestEmbeddingsRefuse(t *testing.T) {
	checkRefused(t, protocol.Embeddings{}, map[string]refused{
		"no model":     {`{"input":"hi"}`, "model", false, "must be"},
		"no input":     {`{"model":"maxi"}`, "input", false, "must be"},
		"two inputs":   {`{"model":"maxi","input":"hi","input":"ho"}`, "input", false, "twice"},
		"an image":     {`{"model":"maxi","input":[{"image":"data:"}]}`, "input[0]", false, "must be"},
		"a fraction":   {`{"model":"maxi","input":[1.5]}`, "input[0]", false, "whole number"},
		"deeper":       {`{"model":"maxi","input":[[[1]]]}`, "input[0][0]", false, "whole number"},
		"messages":     {`{"model":"maxi","input":"hi","messages":[]}`, "messages", true, "use input"},
		"a stream":     {`{"model":"maxi","input":"hi","stream":true}`, "stream", true, "cannot be streamed"},
		"input of one": {`{"model":"maxi","input":1}`, "input", false, "must be"},
	})
}

func TestEmbeddingsUsage(t *testing.T) {
	checkAnswered(t, protocol.Embeddings{}, `{"model":"maxi","input":"hi"}`, false, map[string]answered{
		"usage": {`{"object":"list","data":[{"embedding":[0.1,-2e5],"usage":1}],"usage":{"prompt_tokens":10,"total_tokens":10}}`, false, price.Usage{Input: 10}, true, false},
		"zero":  {`{"usage":{"prompt_tokens":0}}`, false, price.Usage{}, false, false},
		"none":  {`{"data":[]}`, false, price.Usage{}, false, false},
		"text":  {`{"usage":{"prompt_tokens":"10"}}`, false, price.Usage{}, false, false},
	})
	request, err := protocol.Embeddings{}.Read(incoming(`{"model":"maxi","input":"hi"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := request.Message(protocol.Text{}); ok {
		t.Error("embeddings have a message")
	}
}

// TestEmbeddingsNeedNoOutput: a model for embeddings alone has no output.
func TestEmbeddingsNeedNoOutput(t *testing.T) {
	model := limiterv1.Model{Name: "e", UpstreamName: "e", Prices: price.Book{price.Default: {Base: price.List{price.Input: 1}}}}
	request, err := protocol.Embeddings{}.Read(incoming(`{"model":"e","input":"hi"}`))
	if err != nil {
		t.Fatal(err)
	}
	if call, err := request.For(model, protocol.OutputLimits{}); err != nil || call.Bound.Output != 0 {
		t.Errorf("got %+v, %v", call.Bound, err)
	}
}
