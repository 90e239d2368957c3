package protocol

import (
	"bytes"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// generateOutlook is what is known of Gemini's answer before it comes. A model may think
// unseen until its usage tells of that, which is in every chunk.
func generateOutlook(bound price.Usage, model limiterv1.Model) outlook {
	o := outlook{bound: bound, tokenizer: model.Tokenizer, hidden: true}
	if _, o.shown = hides(model); o.shown {
		o.hidden = false
	}
	return o
}

// generateSeen counts the output in the chunks of a streamGenerateContent stream.
type generateSeen struct{ seen }

func (s *generateSeen) chunk(data []byte) {
	s.frames++
	chunk := view(data)
	gjson.Get(chunk, "candidates").ForEach(func(_, candidate gjson.Result) bool {
		s.strings(candidate.Get("content"))
		return true
	})
	if !bytes.Contains(data, usageMetadataName) {
		return
	}
	usage := gjson.Get(chunk, "usageMetadata")
	output := usage.Get("candidatesTokenCount").Int() + usage.Get("thoughtsTokenCount").Int()
	if total := usage.Get("totalTokenCount"); total.Type == gjson.Number {
		output = max(output, total.Int()-usage.Get("promptTokenCount").Int()-usage.Get("toolUsePromptTokenCount").Int())
	}
	s.report(output)
}
