package fakeprovider

import "net/http"

// compactAPI is OpenAI's Responses that are made short: all that was said comes back as one item.
type compactAPI struct{ responsesAPI }

func (compactAPI) read(model string, r *http.Request, body []byte) (request, error) {
	request, err := responsesAPI{}.read(model, r, body)
	request.compacts, request.stream = true, false
	return request, err
}

func (compactAPI) whole(a *answer, texts []string) any {
	compaction := map[string]any{
		"id": "resp_" + a.id, "object": "response.compaction", "created_at": created, "output": []any{a.compactionItem(texts[0])},
	}
	if r, ok := a.usage(); ok {
		compaction["usage"] = responsesUsage(r)
	}
	return compaction
}

// compactionItem is what was said so far, for the provider alone to read.
func (a *answer) compactionItem(text string) map[string]any {
	return map[string]any{"id": "cmp_" + a.id, "type": "compaction", "encrypted_content": text}
}
