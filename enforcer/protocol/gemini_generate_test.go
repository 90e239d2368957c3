package protocol_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"net/url"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

const geminiPath, geminiStreamPath = "/models/maxi-2026:generateContent", "/models/maxi-2026:streamGenerateContent?alt=sse"

// picture is an image of a size, in base64.
func picture(t *testing.T, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func TestGeminiBound(t *testing.T) {
	part := func(p string) string {
		return `{"contents":[{"role":"user","parts":[` + p + `]}],"generationConfig":{"maxOutputTokens":7}}`
	}
	data := func(kind, data string) string {
		return part(`{"inlineData":{"mimeType":"` + kind + `","data":"` + data + `"}}`)
	}
	small, large, long := picture(t, 10, 10), picture(t, 4000, 3000), picture(t, 3000, 30)
	checkBounded(t, protocol.GenerateContent{}, geminiPath, map[string]bounded{
		"no bound": {
			`{"contents":[]}`, 0, `{"generationConfig":{"maxOutputTokens":100},"contents":[]}`, price.Usage{Input: length, Output: 100},
		},
		"a bound of null": {
			`{"contents":[],"generationConfig":{"temperature":1,"maxOutputTokens":null}}`, 0,
			`{"contents":[],"generationConfig":{"temperature":1,"maxOutputTokens":100}}`, price.Usage{Input: length, Output: 100},
		},
		"in snake case": {
			`{"contents":[],"generation_config":{"max_output_tokens":7,"candidate_count":2}}`, 0, "", price.Usage{Input: length, Output: 14},
		},
		"in snake case, without a bound": {
			`{"contents":[],"generation_config":{"max_output_tokens":null}}`, 0,
			`{"contents":[],"generation_config":{"maxOutputTokens":100}}`, price.Usage{Input: length, Output: 100},
		},
		"text":                      {part(`{"text":"hi"},{"functionCall":{}},{"functionResponse":{"response":{}}},{"thought":true,"text":"x","thoughtSignature":"y"}`), 0, "", price.Usage{Input: length, Output: 7}},
		"one content for all":       {`{"contents":{"parts":{"text":"hi"}},"system_instruction":{"parts":{"text":"x"}},"generationConfig":{"maxOutputTokens":7}}`, 0, "", price.Usage{Input: length, Output: 7}},
		"functions":                 {`{"contents":[],"tools":[{"functionDeclarations":[]}],"generationConfig":{"maxOutputTokens":7}}`, 0, "", price.Usage{Input: length, Output: 7}},
		"no tools":                  {`{"contents":[],"tools":[{},{"googleSearch":null,"functionDeclarations":[]}],"generationConfig":{"maxOutputTokens":7}}`, 0, "", price.Usage{Input: length, Output: 7}},
		"a search":                  {`{"contents":[],"tools":[{"googleSearch":{"timeRangeFilter":{}}}],"generationConfig":{"maxOutputTokens":7}}`, 5000, "", price.Usage{Input: 5000, Output: 7, Uses: "google_search=1"}},
		"a search in snake case":    {`{"contents":[],"tools":{"google_search":{}},"generationConfig":{"maxOutputTokens":7}}`, 5000, "", price.Usage{Input: 5000, Output: 7, Uses: "google_search=1"}},
		"the model, too":            {`{"model":"models/maxi","contents":[],"generationConfig":{"maxOutputTokens":7}}`, 0, `{"model":"models/maxi-2026","contents":[],"generationConfig":{"maxOutputTokens":7}}`, price.Usage{Input: length, Output: 7}},
		"what code has run":         {part(`{"executableCode":{"language":"PYTHON","code":"1"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}},{"text":"a","partMetadata":{"a":1}}`), 0, "", price.Usage{Input: length, Output: 7}},
		"text in base64":            {data("text/plain", "aGk="), 0, "", price.Usage{Input: length, Output: 7}},
		"a small image":             {data("image/png", small), 0, "", price.Usage{Input: length + 2240 - int64(len(small)+2), Output: 7}},
		"a large image":             {data("image/png", large), 0, "", price.Usage{Input: length + 258*6*4 - int64(len(large)+2), Output: 7}},
		"a long image":              {data("image/png", long), 0, "", price.Usage{Input: length + 258*150*2 - int64(len(long)+2), Output: 7}},
		"an image, with a window":   {data("image/webp", "AAAA"), 5000, "", price.Usage{Input: 5000, Output: 7}},
		"audio":                     {data("audio/wav", "AAAA"), 5000, "", price.Usage{AudioInput: 5000, Output: 7}},
		"a film, with a window":     {data("video/mp4", "AAAA"), 5000, "", price.Usage{Input: 5000, Output: 7}},
		"a file, with a window":     {part(`{"fileData":{"fileUri":"x"}}`), 5000, "", price.Usage{Input: 5000, Output: 7}},
		"a cache, with a window":    {`{"contents":[],"cachedContent":"c","generationConfig":{"maxOutputTokens":7}}`, 5000, "", price.Usage{Input: 5000, Output: 7}},
		"a film in a tool's answer": {part(`{"functionResponse":{"parts":[{"inlineData":{"mimeType":"video/mp4","data":"A"}}]}}`), 5000, "", price.Usage{Input: 5000, Output: 7}},
	})
	checkBounded(t, protocol.GenerateContent{Streamed: true}, geminiStreamPath, map[string]bounded{
		"a stream": {part(`{"text":"hi"}`), 0, "", price.Usage{Input: length, Output: 7}},
	})
}

func TestGeminiRefuses(t *testing.T) {
	with := func(members string) string { return `{"contents":[],` + members + `}` }
	part := func(p string) string { return `{"contents":[{"parts":[` + p + `]}]}` }
	checkRefused(t, protocol.GenerateContent{}, map[string]refused{
		"no contents":           {`{}`, "contents", false, "an array"},
		"contents twice":        {with(`"contents":[]`), "contents", false, "twice"},
		"twice, in two cases":   {with(`"generationConfig":{},"generation_config":{}`), "generationConfig", false, "twice"},
		"a bound twice":         {with(`"generationConfig":{"maxOutputTokens":1,"max_output_tokens":2}`), "generationConfig.maxOutputTokens", false, "twice"},
		"another case":          {with(`"GenerationConfig":{}`), "GenerationConfig", false, `use "generationConfig"`},
		"snakes of another":     {with(`"generation_Config":{}`), "generation_Config", false, `use "generationConfig"`},
		"config of text":        {with(`"generationConfig":"x"`), "generationConfig", false, "an object"},
		"too high a bound":      {with(`"generationConfig":{"maxOutputTokens":101}`), "generationConfig.maxOutputTokens", false, "maximum of 100"},
		"too many candidates":   {with(`"generationConfig":{"candidateCount":9}`), "generationConfig.candidateCount", false, "between 1 and 8"},
		"pictures out":          {with(`"generationConfig":{"responseModalities":["TEXT","IMAGE"]}`), "generationConfig.responseModalities[1]", true, "use "},
		"speech out":            {with(`"generationConfig":{"speechConfig":{}}`), "generationConfig.speechConfig", true, "only text output"},
		"a model in the body":   {with(`"model":"x"`), "model", true, "the path"},
		"another's model":       {with(`"model":"models/mini"`), "model", true, "the path"},
		"a provider's tool":     {with(`"tools":[{"functionDeclarations":[]},{"googleMaps":{}}]`), "tools[1].googleMaps", true, "billed separately"},
		"a search of no window": {with(`"tools":[{"googleSearch":{}}]`), "", true, "a tool that the provider runs"},
		"a search of no object": {with(`"tools":[{"googleSearch":true}]`), "tools[0].googleSearch", true, "billed separately"},
		"a search of tomorrow":  {with(`"tools":[{"googleSearch":{"zz":1}}]`), "tools[0].googleSearch.zz", true, "its cost is not known"},
		"two searches":          {with(`"tools":[{"googleSearch":{},"google_search":{}}]`), "tools[0].googleSearch", false, "twice"},
		"in snake case":         {with(`"tools":[{"code_execution":{}}]`), "tools[0].code_execution", true, "that the provider runs"},
		"a tier of no price":    {with(`"serviceTier":"FLEX"`), "", false, "no price for service tier"},
		"an unknown part":       {part(`{"toolCall":{}}`), "contents[0].parts[0].toolCall", true, "its cost is not known"},
		"data twice":            {part(`{"inlineData":{},"inline_data":{}}`), "contents[0].parts[0].inlineData", false, "twice"},
		"an image of no size":   {part(`{"inlineData":{"mimeType":"image/png","data":"AAAA"}}`), "", true, "unknown size"},
		"a file":                {part(`{"file_data":{"file_uri":"x"}}`), "", true, "a file"},
		"a cache":               {with(`"cachedContent":"c"`), "", true, "cached content"},
		"system of a string":    {with(`"systemInstruction":"x"`), "systemInstruction", false, "a Content object"},
		"an array for a stream": {`[]`, "", false, "not a JSON object"},
	})
	for _, alt := range [][]string{nil, {"json"}, {"sse", "sse"}} {
		in := incoming(`{"contents":[]}`)
		in.Query = url.Values{"alt": alt}
		if _, err := (protocol.GenerateContent{Streamed: true}).Read(in); err == nil || !strings.Contains(err.Error(), "alt=sse") {
			t.Errorf("a stream with alt %q: %v", alt, err)
		}
	}
	if _, err := (protocol.GenerateContent{}).Read(streamed(incoming(`{"contents":[]}`))); err == nil {
		t.Error("a whole answer is to be a stream")
	}
}

func TestGeminiUsage(t *testing.T) {
	whole := func(usage string) string { return `{"candidates":[],"usageMetadata":{` + usage + `}}` }
	checkAnswered(t, protocol.GenerateContent{}, `{"contents":[]}`, false, map[string]answered{
		"usage":          {whole(`"promptTokenCount":10,"candidatesTokenCount":20,"totalTokenCount":30`), false, price.Usage{Input: 10, Output: 20}, true, false},
		"all there is":   {whole(`"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":20,"thoughtsTokenCount":5,"toolUsePromptTokenCount":3,"totalTokenCount":38`), false, price.Usage{Input: 9, CachedInput: 4, Output: 25, Reasoning: 5}, true, false},
		"no total":       {whole(`"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":5`), false, price.Usage{Input: 10, Output: 25, Reasoning: 5}, true, false},
		"thoughts alone": {whole(`"promptTokenCount":10,"thoughtsTokenCount":5,"totalTokenCount":15`), false, price.Usage{Input: 10, Output: 5, Reasoning: 5}, true, false},
		"a blocked one":  {whole(`"promptTokenCount":10,"totalTokenCount":10`), false, price.Usage{Input: 10}, true, false},
		"total is more":  {whole(`"promptTokenCount":10,"candidatesTokenCount":1,"totalTokenCount":30`), false, price.Usage{Input: 10, Output: 20}, true, false},
		"sound": {whole(`"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":20,"totalTokenCount":30,"promptTokensDetails":[{"modality":"TEXT","tokenCount":4},{"modality":"AUDIO","tokenCount":6}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":3}]`), false,
			price.Usage{Input: 3, CachedInput: 1, AudioInput: 3, CachedAudioInput: 3, Output: 20}, true, false},
		"something of tomorrow": {whole(`"promptTokenCount":10,"candidatesTokenCount":20,"totalTokenCount":30,"searchQueryCount":2`), false, price.Usage{}, false, false},
		"nothing of tomorrow":   {whole(`"promptTokenCount":10,"candidatesTokenCount":20,"totalTokenCount":30,"searchQueryCount":0,"trafficType":"ON_DEMAND"`), false, price.Usage{Input: 10, Output: 20}, true, false},
		"an empty prompt":       {whole(`"promptTokenCount":0,"candidatesTokenCount":20,"totalTokenCount":20`), false, price.Usage{}, false, false},
		"text for nothing":      {`{"candidates":[{"content":{"parts":[{"text": "hello"}]}}],"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10}}`, false, price.Usage{}, false, false},
		"no text for nothing":   {`{"candidates":[{"content":{"parts":[{"text": ""}]}}],"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10}}`, false, price.Usage{Input: 10}, true, false},
		"another model":         {`{"modelVersion":"mini","usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20}}`, false, price.Usage{}, false, false},
		"the model":             {`{"modelVersion":"maxi-2026","usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20}}`, false, price.Usage{Input: 10, Output: 20}, true, false},
		"no output, no total":   {whole(`"promptTokenCount":10`), false, price.Usage{}, false, false},
		"no prompt":             {whole(`"candidatesTokenCount":20,"totalTokenCount":20`), false, price.Usage{}, false, false},
		"negative":              {whole(`"promptTokenCount":-1,"candidatesTokenCount":20`), false, price.Usage{}, false, false},
		"more cached than in":   {whole(`"promptTokenCount":1,"cachedContentTokenCount":2,"candidatesTokenCount":20`), false, price.Usage{}, false, false},
		"none":                  {`{"candidates":[]}`, false, price.Usage{}, false, false},
	})
	const first = `data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10}}` + "\r\n\r\n"
	const last = `data: {"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20,"totalTokenCount":30}}` + "\r\n\r\n"
	const more = `data: {"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":2,"totalTokenCount":32}}` + "\r\n\r\n"
	const blocked = `data: {"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":10,"totalTokenCount":10}}` + "\r\n\r\n"
	second := strings.Replace(last, `"index":0`, `"index":1`, 1)
	used := price.Usage{Input: 10, Output: 20}
	stream := protocol.GenerateContent{Streamed: true}
	checkAnswered(t, stream, `{"contents":[]}`, true, map[string]answered{
		"to its end":                {first + last, false, used, true, false},
		"usage after the end":       {first + last + more, false, price.Usage{Input: 10, Output: 22, Reasoning: 2}, true, false},
		"frames twice":              {first + first + last + last, false, used, true, false},
		"blocked":                   {blocked, false, price.Usage{Input: 10}, true, false},
		"ends too early":            {first + first, false, price.Usage{}, false, true},
		"cut":                       {first, true, price.Usage{}, false, true},
		"cut after the last chunk":  {first + last, true, price.Usage{}, false, true},
		"no reason for its end":     {first + strings.Replace(last, `"finishReason":"STOP",`, "", 1), false, used, true, false},
		"no reason, and cut":        {first + strings.Replace(last, `"finishReason":"STOP",`, "", 1), true, price.Usage{}, false, true},
		"no reason, in a frame":     {first + strings.Replace(last, `"finishReason":"STOP",`, "", 1) + `data: {"candidates":[{"content":{`, false, price.Usage{}, false, true},
		"no reason, and an error":   {first + strings.Replace(last, `"finishReason":"STOP",`, "", 1) + `data: {"error":{"code":503}}` + "\n\n", false, price.Usage{}, false, true},
		"thoughts alone":            {`data: {"candidates":[{"content":{"parts":[{"thought":true,"text":"a"}]}}],"usageMetadata":{"promptTokenCount":10,"thoughtsTokenCount":5,"totalTokenCount":15}}` + "\n\n", false, price.Usage{Input: 10, Output: 5, Reasoning: 5}, true, false},
		"no candidates at the end":  {first + `data: {"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20,"totalTokenCount":30}}` + "\n\n", false, used, true, false},
		"an empty usage at the end": {first + last + `data: {"usageMetadata":{"promptTokenCount":0,"totalTokenCount":0}}` + "\n\n", false, used, true, false},
		"text for nothing":          {strings.Replace(first, `"text":"a"}]}`, `"text":"a"}]},"finishReason":"STOP"`, 1), false, price.Usage{}, false, false},
		"another model":             {strings.Replace(last, `"usageMetadata"`, `"modelVersion":"mini","usageMetadata"`, 1), false, price.Usage{}, false, false},
		"without usage":             {`data: {"candidates":[{"finishReason":"STOP"}]}` + "\n\n", false, price.Usage{}, false, false},
	})
	checkAnswered(t, stream, `{"contents":[],"generationConfig":{"candidateCount":2}}`, true, map[string]answered{
		"one of two has ended": {first + last, false, price.Usage{}, false, true},
		"both have":            {first + last + second, false, used, true, false},
	})
}

// TestGeminiSearches: a prompt that was answered by searching costs the fee, once, however
// many searches that took.
func TestGeminiSearches(t *testing.T) {
	const grounded = `{"candidates":[{"content":{"parts":[{"text":"say \"webSearchQueries\":[\"x\"]"}]},"finishReason":"STOP"%s}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":20,"totalTokenCount":30}}`
	searched := fmt.Sprintf(grounded, `,"groundingMetadata":{"webSearchQueries": ["a","b"]}`)
	found := fmt.Sprintf(grounded, `,"groundingMetadata":{"groundingChunks": [ {"web":{"uri":"x"}}]}`)
	escaped := fmt.Sprintf(grounded, `,"x":"`+strings.Repeat(`\u0061`, 100)+`","groundingMetadata":{"webSearch\u0051ueries": ["a"]}`)
	not, idle := fmt.Sprintf(grounded, ""), fmt.Sprintf(grounded, `,"groundingMetadata":{"webSearchQueries":[]}`)
	used := price.Usage{Input: 10, Output: 20}
	with := used
	with.Uses = "google_search=1"
	const body = `{"contents":[],"tools":[{"googleSearch":{}}]}`
	model := maxi
	model.ContextWindow = 1000
	for _, stream := range []bool{false, true} {
		for answer, want := range map[string]price.Usage{searched: with, found: with, escaped: with, not: used, idle: used} {
			in := incoming(body)
			if stream {
				in, answer = streamed(in), "data: "+answer+"\n\n"
			}
			request, err := protocol.GenerateContent{Streamed: stream}.Read(in)
			if err != nil {
				t.Fatal(err)
			}
			call, err := request.For(model, protocol.OutputLimits{})
			if err != nil {
				t.Fatal(err)
			}
			for size := 1; size <= len(answer); size += 13 {
				reader := call.Whole()
				if stream {
					reader = call.Stream()
				}
				for piece := range chunks([]byte(answer), size) {
					reader.Pass(piece)
				}
				reader.End(false)
				if got, ok := reader.Usage(); !ok || got != want {
					t.Fatalf("stream %t, in pieces of %d bytes: %+v, %t, want %+v of %s", stream, size, got, ok, want, answer)
				}
			}
		}
	}
}

// TestGeminiProblem: Google's own clients look for an error as JSON between events;
// others see the connection cut.
func TestGeminiProblem(t *testing.T) {
	answer := answerOf(t, protocol.GenerateContent{Streamed: true}, `{"contents":[]}`, true)
	problem, cutAsWell := answer.Problem([]byte("{}\n"))
	if string(problem) != "\n\n{}\n\ndata: {}\n\n" || !cutAsWell {
		t.Errorf("got %q, cut as well %t", problem, cutAsWell)
	}
}

func TestGeminiMessage(t *testing.T) {
	checkMessage(t, protocol.GenerateContent{}, `{"contents":[]}`, false)
	checkMessage(t, protocol.GenerateContent{Streamed: true}, `{"contents":[],"generationConfig":{"candidateCount":2}}`, true)
}
