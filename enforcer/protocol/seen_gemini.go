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
	s.nextFrame()
	chunk := view(data)
	gjson.Get(chunk, "candidates").ForEach(func(_, candidate gjson.Result) bool {
		s.stringsExcept(ofCandidate, candidate)
		return true
	})
	s.frame.spoke = s.frame.pieces > 0
	gjson.Parse(chunk).ForEach(func(key, member gjson.Result) bool {
		if !ofGenerated[key.Str] {
			s.member(key.Str, member)
		}
		return true
	})
	if !bytes.Contains(data, usageMetadataName) {
		return
	}
	usage := gjson.Get(chunk, "usageMetadata")
	output := tokensOf(usage.Get("candidatesTokenCount")) + tokensOf(usage.Get("thoughtsTokenCount"))
	if total := tokensOf(usage.Get("totalTokenCount")); total > 0 {
		output = max(output, total-tokensOf(usage.Get("promptTokenCount"))-tokensOf(usage.Get("toolUsePromptTokenCount")))
	}
	s.report(output)
}

// ofCandidate and ofGenerated are members of a candidate, and of a chunk, that the model does not
// generate, or that are counted by themselves.
var (
	ofCandidate = besides(noOutput, "finishReason", "finishMessage", "safetyRatings", "citationMetadata", "groundingMetadata",
		"groundingAttributions", "urlContextMetadata", "urlRetrievalMetadata", "logprobsResult")
	ofGenerated = besides(noOutput, "candidates", "usageMetadata", "modelVersion", "responseId", "createTime", "promptFeedback", "modelStatus", "error")
)
