package protocol

import (
	"maps"
)

// Compact is the part of OpenAI's Responses API that makes a short form of what was said so far, as
// coding agents need when that comes near to the model's window. The model is called for it, and
// billed as for any answer, except that no request bounds its output.
type Compact struct{}

// Protocol is OpenAI.
func (Compact) Protocol() Protocol { return OpenAI{} }

// Path is where clients find the API.
func (Compact) Path() string { return "/v1" + compactPath }

// Operation is chat.
func (Compact) Operation() string { return "chat" }

// Read reads a request.
func (Compact) Read(in Incoming) (ParsedRequest, error) {
	r, err := readResponses(in.Body, compactPath, compactAllowed)
	if err == nil {
		r.searches = false
		r.compact()
	}
	return parsedResponses(r, err)
}

const compactPath = "/responses/compact"

// compactAllowed are the members of OpenAI's API, and those that Codex adds, so that the prompt is
// that of its other requests. The tools are read, and none is run.
var compactAllowed = allowed{
	"model": bounded, "input": responsesItems, "instructions": bounded, "previous_response_id": bounded, "service_tier": bounded,
	"tools":            ofTypes(whyClientsTools, compactTools()),
	"prompt_cache_key": free, "prompt_cache_retention": free, "prompt_cache_options": cacheOptions,
	"parallel_tool_calls": free, "reasoning": responsesAllowed["reasoning"], "text": free, "metadata": free, "client_metadata": free,
	"image": unbounded(whySeparately),
}

// compactTools are tools of Responses, of which none has a fee.
func compactTools() map[string]rule {
	tools := maps.Clone(responsesTools.byType)
	for kind, tool := range tools {
		if tool.fee != "" {
			tools[kind] = object(tool.object)
		}
	}
	return tools
}

// compact notes that the request asks for a compaction. The prompt that the provider adds for that
// is not documented.
func (r *responsesRequest) compact() {
	r.compacts = true
	r.input.only("a compaction")
}

// wholeCompaction is an answer of Compact. The searches among its items were billed when they
// were made.
func wholeCompaction(b bill) Answer {
	return newWholeAnswer(b, "model", func(members *memberScanner) reading {
		return responsesJudged(b, members.member, true, 0)
	}, "usage", "service_tier", "status", "tool_usage")
}
