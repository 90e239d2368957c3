package protocol_test

import (
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// ordinary is a request with every member that the official clients send for a call that
// costs nothing but tokens. opaque are the members within which anything may be.
type ordinary struct {
	endpoint protocol.Endpoint
	body     string
	opaque   []string
}

var ordinaryRequests = map[string]ordinary{
	"Chat Completions": {protocol.ChatCompletions{}, chatBody, chatOpaque},
	"Azure":            {protocol.AzureChatCompletions{}, chatBody, chatOpaque},
	"Responses": {protocol.Responses{}, `{
		"model":"maxi","instructions":"be brief","max_output_tokens":7,"max_tool_calls":3,"parallel_tool_calls":true,
		"background":false,"conversation":null,"previous_response_id":"resp_1","context_management":null,"prompt":null,"moderation":null,
		"include":["reasoning.encrypted_content"],"metadata":{"k":{}},"store":false,"safety_identifier":"s","user":"u","client_metadata":{},
		"prompt_cache_key":"k","prompt_cache_retention":"24h","service_tier":"auto","stream":false,"stream_options":{"include_obfuscation":false},
		"temperature":1,"top_p":1,"top_logprobs":2,"truncation":"auto",
		"reasoning":{"effort":"low","summary":"auto","generate_summary":"auto","context":"auto","mode":"standard"},
		"text":{"format":{"type":"json_schema","name":"x","schema":{}},"verbosity":"low"},
		"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{}]},
		"tools":[
			{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true,"allowed_callers":["direct"],"defer_loading":true,"output_schema":{}},
			{"type":"custom","name":"c","description":"d","format":{"type":"grammar","syntax":"lark","definition":"x"},"allowed_callers":null,"defer_loading":false},
			{"type":"namespace","name":"mcp__x","description":"d","tools":[{"type":"function","name":"f","parameters":{}},{"type":"custom","name":"g"}]},
			{"type":"local_shell"},{"type":"apply_patch"},{"type":"shell","environment":{"type":"local","skills":[]}},
			{"type":"tool_search","execution":"client","description":"d","parameters":{}}],
		"input":[
			{"role":"user","content":"hi"},
			{"type":"message","role":"user","status":"completed","phase":null,"content":[
				{"type":"input_text","text":"a"},{"type":"input_image","detail":"auto","image_url":"https://a/b","file_id":null},
				{"type":"input_file","detail":"low","file_data":"x","file_id":"f","file_url":"u","filename":"n"}]},
			{"type":"message","id":"m","role":"assistant","status":"completed","content":[
				{"type":"output_text","text":"b","annotations":[{"type":"url_citation"}],"logprobs":[]},{"type":"refusal","refusal":"no"}]},
			{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"s"}],"content":[{"type":"reasoning_text","text":"t"}],"encrypted_content":"x","status":"completed"},
			{"type":"function_call","id":"i","call_id":"c","name":"f","arguments":"{}","status":"completed","namespace":"n","caller":{"type":"direct"}},
			{"type":"function_call_output","id":null,"call_id":"c","output":[{"type":"input_text","text":"r"}],"status":null,"caller":null,"name":null,"namespace":null},
			{"type":"custom_tool_call","call_id":"c","name":"g","input":"x"},{"type":"custom_tool_call_output","call_id":"c","output":"r"},
			{"type":"local_shell_call","id":"l","call_id":"c","status":"completed","action":{"type":"exec","command":["ls"],"env":{}}},
			{"type":"local_shell_call_output","id":"l","output":"r"},
			{"type":"shell_call","call_id":"c","action":{"commands":[]},"environment":{"type":"local"}},{"type":"shell_call_output","call_id":"c","output":[{"outcome":{},"stderr":"","stdout":""}],"max_output_length":1},
			{"type":"apply_patch_call","call_id":"c","status":"completed","operation":{"type":"create_file"}},{"type":"apply_patch_call_output","call_id":"c","status":"completed","output":"r"},
			{"type":"tool_search_call","call_id":"c","arguments":{},"execution":"client"},
			{"type":"tool_search_output","call_id":"c","tools":[{"type":"function","name":"h","parameters":{}}],"execution":"client"},
			{"type":"additional_tools","role":"developer","tools":[{"type":"custom","name":"exec"}]},
			{"type":"web_search_call","id":"w","status":"completed","action":{"type":"search","query":"q"}},
			{"type":"item_reference","id":"m"},{"type":"compaction","id":null,"encrypted_content":"x"},
			{"type":"configuration_update","id":null,"reasoning":{"effort":"low"}},{"type":"compaction_trigger"}]}`,
		[]string{
			"metadata", "client_metadata", "include", "text", "tool_choice", "tools[].parameters", "tools[].output_schema", "tools[].format",
			"tools[].allowed_callers", "tools[].tools[].parameters", "tools[].environment.skills", "input[].content[].annotations",
			"input[].content[].logprobs", "input[].summary", "input[].caller", "input[].action", "input[].environment", "input[].operation",
			"input[].arguments", "input[].tools[].parameters", "input[type=reasoning].content", "input[type=shell_call_output].output",
		}},
	"Compaction": {protocol.Compact{}, `{
		"model":"maxi","instructions":"be brief","previous_response_id":"resp_1","input":[{"role":"user","content":"hi"},{"type":"compaction","encrypted_content":"x"}],
		"prompt_cache_key":"k","prompt_cache_retention":"24h","service_tier":"auto","parallel_tool_calls":true,"reasoning":{"effort":"low"},"text":{"verbosity":"low"},
		"tools":[{"type":"custom","name":"c"},{"type":"web_search","search_context_size":"high"}],"metadata":{"k":{}},"client_metadata":{}}`, []string{"metadata", "client_metadata", "text"}},
	"Embeddings": {protocol.Embeddings{}, `{"model":"maxi","input":["hi","ho"],"dimensions":8,"encoding_format":"float","user":"u"}`, nil},
	"Messages": {protocol.Messages{}, `{
		"model":"maxi","max_tokens":7,"stream":false,"service_tier":"auto","inference_geo":"global","speed":"standard",
		"thread":{"type":"continue","previous_message_id":"m"},"cache_control":{"type":"ephemeral","ttl":"5m"},"container":null,"mcp_servers":null,"diagnostics":{"previous_message_id":"m"},"fallbacks":null,
		"metadata":{"user_id":"u"},"stop_sequences":["x"],"temperature":1,"top_k":3,"top_p":1,
		"thinking":{"type":"enabled","budget_tokens":1024,"display":"summarized"},
		"output_config":{"effort":"low","format":{"type":"json_schema","schema":{}},"task_budget":{"type":"tokens","total":5}},
		"output_format":{"type":"json_schema","schema":{}},
		"context_management":{"edits":[{"type":"clear_tool_uses_20250919","trigger":{"type":"input_tokens","value":1},"keep":{"type":"tool_uses","value":3}},{"type":"clear_thinking_20251015","keep":"all"}]},
		"tool_choice":{"type":"auto","disable_parallel_tool_use":true},
		"tools":[
			{"name":"f","description":"d","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"},"allowed_callers":["direct"],"defer_loading":true,"eager_input_streaming":true,"input_examples":[{}],"strict":true},
			{"type":"custom","name":"g","input_schema":{}},{"type":"bash_20250124","name":"bash"},
			{"type":"text_editor_20250728","name":"str_replace_based_edit_tool","max_characters":100},{"type":"memory_20250818","name":"memory"},
			{"type":"computer_20251124","name":"computer","display_width_px":1,"display_height_px":1,"display_number":1,"enable_zoom":true}],
		"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"},"citations":null}],
		"messages":[
			{"role":"user","content":[
				{"type":"text","text":"a","citations":[{"type":"char_location"}]},
				{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aaaa"},"cache_control":null,"transformations":{"oversized_image":"downsize"}},
				{"type":"document","source":{"type":"content","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"url","url":"https://a/b"}}]},"citations":{"enabled":true},"context":"c","title":"t"},
				{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"x"}],"citations":{"enabled":true}}]},
			{"role":"assistant","content":[
				{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"x"},
				{"type":"tool_use","id":"i","name":"f","input":{"a":{}},"caller":{"type":"direct"},"toolset_name":null},
				{"type":"server_tool_use","id":"j","name":"web_search","input":{}},{"type":"web_search_tool_result","tool_use_id":"j","content":[{"type":"web_search_result"}]}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","is_error":false,"content":[
				{"type":"text","text":"r"},{"type":"image","source":{"type":"file","file_id":"f"}},{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"x"}]},
				{"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"}},{"type":"tool_reference","tool_name":"f"}]}]},
			{"role":"system","content":"s"}]}`,
		[]string{
			"cache_control", "metadata", "diagnostics", "thinking", "output_config.format", "output_config.task_budget", "output_format", "context_management.edits",
			"tool_choice", "tools[].input_schema", "tools[].cache_control", "tools[].allowed_callers", "tools[].input_examples",
			"system[].cache_control", "messages[].content[].citations", "messages[].content[].cache_control", "messages[].content[].transformations",
			"messages[].content[].input", "messages[].content[].caller", "messages[].content[type=web_search_tool_result].content",
		}},
	"Vercel AI Gateway": {vercel("/v3/ai/language-model"), `{
		"maxOutputTokens":7,"temperature":1,"topP":1,"topK":1,"presencePenalty":0,"frequencyPenalty":0,"seed":1,"stopSequences":["x"],
		"responseFormat":{"type":"json","schema":{}},"toolChoice":{"type":"auto"},"includeRawChunks":false,"reasoning":"low",
		"headers":{"user-agent":"ai/7.0"},
		"tools":[{"type":"function","name":"f","description":"d","inputSchema":{"type":"object"},"inputExamples":[{"input":{}}],"strict":true,
			"providerOptions":{"anthropic":{"eagerInputStreaming":true}}},
			{"type":"provider","id":"anthropic.bash_20250124","name":"bash","args":{}},{"type":"provider-defined","id":"openai.local_shell","name":"local_shell","args":{}}],
		"providerOptions":{
			"gateway":{"user":"u","tags":["t"],"zeroDataRetention":false,"models":[]},
			"openai":{"serviceTier":"auto","reasoningEffort":"low","reasoningSummary":"auto","textVerbosity":"low","strictJsonSchema":true,
				"parallelToolCalls":true,"store":false,"metadata":{},"user":"u","promptCacheKey":"k","include":["x"]},
			"anthropic":{"thinking":{"type":"enabled","budgetTokens":5},"effort":"low","sendReasoning":true},
			"google":{"thinkingConfig":{"thinkingBudget":5,"includeThoughts":true},"responseModalities":["TEXT"],"safetySettings":[{}]},
			"bedrock":{"reasoningConfig":{"type":"enabled","budgetTokens":5}},"xai":{"reasoningEffort":"low"},"groq":{"reasoningFormat":"parsed"},
			"mistral":{"safePrompt":true},"deepseek":{"thinking":{"type":"enabled"}}},
		"prompt":[
			{"role":"system","content":"s","providerOptions":{"anthropic":{"signature":"s"}}},
			{"role":"user","content":[{"type":"text","text":"a"},{"type":"file","filename":"n","data":"data:image/png;base64,AAAA","mediaType":"image/png","providerOptions":{"openai":{"imageDetail":"low"}}},
				{"type":"file","data":{"type":"url","url":"https://a/b"},"mediaType":"application/pdf"}]},
			{"role":"assistant","content":[{"type":"reasoning","text":"t","providerOptions":{"openai":{"itemId":"i","reasoningEncryptedContent":null},"bedrock":{"signature":"s"}}},
				{"type":"text","text":"b","providerOptions":{"openai":{"itemId":"i"},"gateway":{"generationId":"g"},"google":{"thoughtSignature":"s"}}},
				{"type":"tool-call","toolCallId":"c","toolName":"f","input":{"a":{}},"providerExecuted":false}]},
			{"role":"tool","content":[{"type":"tool-result","toolCallId":"c","toolName":"f","output":{"type":"json","value":"r"}},
				{"type":"tool-result","toolCallId":"c","toolName":"f","output":{"type":"content","value":[{"type":"text","text":"x"},{"type":"media","data":"AAAA","mediaType":"image/png"}]}},
				{"type":"tool-result","toolCallId":"c","toolName":"f","output":{"type":"execution-denied","reason":"r"}},
				{"type":"tool-approval-response","approvalId":"i","approved":true}]}]}`,
		[]string{
			"responseFormat", "toolChoice", "tools[].inputSchema", "tools[].inputExamples", "tools[].args", "providerOptions.openai.metadata",
			"providerOptions.google.safetySettings", "prompt[].content[].input",
		}},
	"Vercel's embeddings":  {vercel("/v3/ai/embedding-model"), `{"values":["hi","ho"],"dimensions":8,"providerOptions":{"openai":{"user":"u"},"gateway":{"user":"u"}}}`, nil},
	"Gemini":               {protocol.GenerateContent{}, geminiBody, geminiOpaque},
	"Gemini in snake case": {protocol.GenerateContent{}, snakeCased(geminiBody), strings.Fields(snakeCased(strings.Join(geminiOpaque, " ")))},
}

const chatBody = `{
	"model":"maxi","max_completion_tokens":7,"n":1,"stream":false,"stream_options":{"include_usage":true,"include_obfuscation":false},
	"service_tier":"auto","modalities":["text"],"audio":null,"prediction":null,"web_search_options":null,"moderation":null,
	"temperature":1,"top_p":1,"seed":1,"frequency_penalty":0,"presence_penalty":0,"logit_bias":{"1":1},"logprobs":true,"top_logprobs":2,"stop":["x"],
	"reasoning_effort":"low","verbosity":"low","response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}},
	"store":true,"metadata":{"k":{}},"user":"u","safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"24h",
	"parallel_tool_calls":true,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{}]}},
	"functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"},
	"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},
		{"type":"custom","custom":{"name":"c","description":"d","format":{"type":"grammar","grammar":{}}}}],
	"messages":[
		{"role":"developer","content":"d","name":"n"},
		{"role":"user","content":[
			{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://a/b","detail":"low"}},
			{"type":"input_audio","input_audio":{"data":"x","format":"wav"}},{"type":"file","file":{"file_data":"x","file_id":"f","filename":"n"}}]},
		{"role":"assistant","content":[{"type":"text","text":"b"},{"type":"refusal","refusal":"no"}],"refusal":null,"audio":{"id":"a"},"annotations":[{}],
			"function_call":{"name":"f","arguments":"{}"},"reasoning_content":"r",
			"tool_calls":[{"id":"i","type":"function","index":0,"function":{"name":"f","arguments":"{}"}},{"id":"j","type":"custom","custom":{"name":"c","input":"x"}}]},
		{"role":"tool","tool_call_id":"i","content":"r"},{"role":"function","name":"f","content":null}]}`

var chatOpaque = []string{
	"logit_bias", "response_format", "metadata", "tool_choice", "functions", "function_call", "tools[].function.parameters",
	"tools[].custom.format", "messages[].annotations", "messages[].function_call", "messages[].tool_calls[].function", "messages[].tool_calls[].custom",
}

const geminiBody = `{
	"cachedContent":"c","serviceTier":"standard","labels":{"a":"b"},"safetySettings":[{"category":"C","threshold":"BLOCK_NONE"}],
	"systemInstruction":{"role":"user","parts":[{"text":"s"}]},
	"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["f"]},"retrievalConfig":{"languageCode":"es"},"includeServerSideToolInvocations":false},
	"tools":[{"functionDeclarations":[{"name":"f","description":"d","parameters":{},"parametersJsonSchema":{},"response":{},"responseJsonSchema":{},"behavior":"BLOCKING"}],"googleSearch":null},{}],
	"generationConfig":{"temperature":1,"topP":1,"topK":1,"candidateCount":1,"maxOutputTokens":7,"stopSequences":["x"],"responseLogprobs":true,"logprobs":1,
		"presencePenalty":0,"frequencyPenalty":0,"seed":1,"responseMimeType":"application/json","responseSchema":{},"responseJsonSchema":{},"responseModalities":["TEXT"],
		"mediaResolution":"MEDIA_RESOLUTION_LOW","thinkingConfig":{"includeThoughts":true,"thinkingBudget":1,"thinkingLevel":"LOW"},"enableEnhancedCivicAnswers":true},
	"contents":[{"role":"user","parts":[{"text":"a","partMetadata":{"a":{}}},{"inlineData":{"mimeType":"image/png","data":"AAAA","displayName":"n"},"mediaResolution":{"level":"L"}},
			{"fileData":{"fileUri":"u","mimeType":"video/mp4"},"videoMetadata":{"fps":1}}]},
		{"role":"model","parts":[{"text":"t","thought":true},{"functionCall":{"id":"i","name":"f","args":{"a":{}}},"thoughtSignature":"x"},
			{"executableCode":{"language":"PYTHON","code":"1"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}}]},
		{"role":"user","parts":[{"functionResponse":{"id":"i","name":"f","response":{"r":{}},"scheduling":"SILENT","willContinue":false,"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}]}`

var geminiOpaque = []string{
	"labels", "safetySettings", "toolConfig.functionCallingConfig", "toolConfig.retrievalConfig", "tools[].functionDeclarations",
	"generationConfig.responseSchema", "generationConfig.responseJsonSchema", "contents[].parts[].partMetadata", "contents[].parts[].functionCall",
	"contents[].parts[].executableCode", "contents[].parts[].codeExecutionResult", "contents[].parts[].functionResponse.response", "contents[].parts[].videoMetadata",
}

var capital = regexp.MustCompile(`[a-z][A-Z]`)

// snakeCased is a text whose words are in camel case, in snake case.
func snakeCased(text string) string {
	return capital.ReplaceAllStringFunc(text, func(at string) string { return at[:1] + "_" + strings.ToLower(at[1:]) })
}

// TestOrdinaryRequests: nothing that the official clients send for calls that cost nothing
// but tokens is refused.
func TestOrdinaryRequests(t *testing.T) {
	for name, r := range ordinaryRequests {
		t.Run(name, func(t *testing.T) {
			request, err := r.endpoint.Read(incoming(r.body))
			if err != nil {
				t.Fatal(err)
			}
			if unpriced := request.Unpriced(); len(unpriced) > 0 {
				t.Errorf("unpriced: %+v", unpriced)
			}
			model := maxi
			model.ContextWindow = 1_000_000
			if _, err := request.For(model, protocol.OutputLimits{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// place is an object in a request.
type place struct {
	// path is sjson's, param Bursar's, and field that of passFields.
	path, param, field string
	opaque             bool
}

// places are all objects in a value. One is opaque if a path in opaque begins its field,
// in which [type=x] stands for elements of the type x.
func places(value gjson.Result, at place, kind string, opaque []string) (all []place) {
	at.opaque = at.opaque || slices.ContainsFunc(opaque, func(o string) bool {
		return o == at.field || o == kind
	})
	if value.IsObject() {
		all = append(all, at)
	} else if !value.IsArray() {
		return nil
	}
	i := 0
	value.ForEach(func(key, member gjson.Result) bool {
		inside, within := at, ""
		if value.IsArray() {
			inside.path, inside.param, inside.field = join(at.path, fmt.Sprint(i)), fmt.Sprintf("%s[%d]", at.param, i), at.field+"[]"
			within = at.field + "[type=" + member.Get("type").Str + "]"
		} else {
			inside.path, inside.param, inside.field = join(at.path, key.Str), join(at.param, key.Str), join(at.field, key.Str)
			within = join(kind, key.Str)
		}
		all = append(all, places(member, inside, within, opaque)...)
		i++
		return true
	})
	return all
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// TestUnknownMembers: an unknown member, in any object of a request, is unpriced, unless
// it is part of what is free, whatever it is.
func TestUnknownMembers(t *testing.T) {
	for name, r := range ordinaryRequests {
		t.Run(name, func(t *testing.T) {
			all := places(gjson.Parse(r.body), place{}, "", r.opaque)
			rapid.Check(t, func(t *rapid.T) {
				at := rapid.SampledFrom(all).Draw(t, "where")
				unknown := rapid.StringMatching(`zz[a-zA-Z_]{0,8}`).Draw(t, "name")
				value := rapid.SampledFrom([]string{"1", `"x"`, "true", `{"type":"x"}`, `[{}]`, "[]", "{}"}).Draw(t, "value")
				body, err := sjson.SetRaw(r.body, join(at.path, unknown), value)
				if err != nil {
					t.Fatal(err)
				}
				request, err := r.endpoint.Read(incoming(body))
				if err != nil {
					t.Fatalf("%s: %v", body, err)
				}
				unpriced := request.Unpriced()
				if at.opaque {
					if len(unpriced) > 0 {
						t.Fatalf("a member of %s is unpriced: %+v", at.field, unpriced)
					}
					return
				}
				if len(unpriced) != 1 || unpriced[0].Param != join(at.param, unknown) || snakeCased(unpriced[0].Field) != snakeCased(join(at.field, unknown)) {
					t.Fatalf("%s in %s: got %+v", unknown, at.field, unpriced)
				}
			})
		})
	}
}

// TestUnpriced: what costs more than tokens is named as ModelProviders pass it.
func TestUnpriced(t *testing.T) {
	chat := func(members string) string { return `{"model":"maxi","messages":[],` + members + `}` }
	said := func(part string) string { return `{"model":"maxi","messages":[{"content":[` + part + `]}]}` }
	messages := func(members string) string { return `{"model":"maxi","max_tokens":7,"messages":[],` + members + `}` }
	responses := func(members string) string { return `{"model":"maxi",` + members + `}` }
	gemini := func(members string) string { return `{"contents":[],` + members + `}` }
	for body, tc := range map[string]struct {
		endpoint protocol.Endpoint
		want     []string
	}{
		chat(`"best_of":4`): {protocol.ChatCompletions{}, []string{"best_of"}},
		chat(`"enable_search":true,"plugins":[{}],"data_sources":[ ]`): {protocol.ChatCompletions{}, []string{"enable_search", "plugins"}},
		chat(`"b\u0065st_of":4`):                       {protocol.ChatCompletions{}, []string{"best_of"}},
		chat(`"Temperature":1`):                        {protocol.ChatCompletions{}, []string{"Temperature"}},
		chat(`"modalities":["text","image"]`):          {protocol.ChatCompletions{}, []string{"modalities[]=image"}},
		chat(`"stream_options":{"x":1}`):               {protocol.ChatCompletions{}, []string{"stream_options.x"}},
		chat(`"tools":[{"type":"web_search","x":{}}]`): {protocol.ChatCompletions{}, []string{"tools[].type=web_search"}},
		chat(`"tools":[{"type":"functional"}]`):        {protocol.ChatCompletions{}, []string{"tools[].type=functional"}},
		chat(`"tools":[[{"type":"function","x":1}]]`):  {protocol.Responses{}, nil}, // not even read
		said(`{"type":"text","text":"a","cache_control":{}},{"type":"text","cache_control":{}}`): {protocol.ChatCompletions{}, []string{"messages[].content[].cache_control"}},
		said(`{"type":"video_url"}`): {protocol.ChatCompletions{}, []string{"messages[].content[].type=video_url"}},
		said(`{"type":"image_url","image_url":{"url":"u","detail":"original"}}`): {protocol.ChatCompletions{}, []string{"messages[].content[].image_url.detail=original"}},
		messages(`"speed":"fast","inference_geo":"us"`):                          {protocol.Messages{}, []string{"speed=fast", "inference_geo=us"}},
		messages(`"speed":{"x":1}`):                                              {protocol.Messages{}, []string{"speed"}},
		messages(`"tools":[{"type":"web_search_20250305"},{"type":"web_fetch_20250910"},{"type":"computer_toolset_20260801"}]`): {
			protocol.Messages{}, []string{"tools[].type=web_search_20250305", "tools[].type=web_fetch_20250910", "tools[].type=computer_toolset_20260801"},
		},
		messages(`"tools":[{"type":"web_search_20250305","max_uses":5,"zz":1}]`):                  {protocol.Messages{}, []string{"tools[].type=web_search_20250305", "tools[].zz"}},
		messages(`"mcp_servers":[],"fallbacks":[],"tools":[],"container":null`):                   {protocol.Messages{}, nil},
		messages(`"context_management":{"edits":[{"type":"clear_everything"}]}`):                  {protocol.Messages{}, []string{"context_management.edits[].type=clear_everything"}},
		responses(`"tools":[{"type":"shell"}]`):                                                   {protocol.Responses{}, []string{"tools[].environment"}},
		responses(`"tools":[{"type":"shell","environment":{"type":"local"},"environment":null}]`): {protocol.Responses{}, nil},
		responses(`"tools":[{"type":"shell","environment":{"type":"container_auto"}}]`):           {protocol.Responses{}, []string{"tools[].environment.type=container_auto"}},
		responses(`"tools":[{"type":"tool_search"}]`):                                             {protocol.Responses{}, []string{"tools[].execution"}},
		responses(`"tools":[{"type":"namespace","tools":[{"type":"web_search"}]}]`):               {protocol.Responses{}, []string{"tools[].tools[].type=web_search"}},
		responses(`"reasoning":{"mode":"pro"}`):                                                   {protocol.Responses{}, []string{"reasoning.mode=pro"}},
		gemini(`"tools":[{"google_search":{}},{"googleSearch":{}}]`):                              {protocol.GenerateContent{}, []string{"tools[].googleSearch"}},
		gemini(`"generation_config":{"response_modalities":["IMAGE"]}`):                           {protocol.GenerateContent{}, []string{"generationConfig.responseModalities[]=IMAGE"}},
	} {
		t.Run(body, func(t *testing.T) {
			request, err := tc.endpoint.Read(incoming(body))
			var wrong *protocol.RequestError
			if errors.As(err, &wrong) && tc.want == nil {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, unpriced := range request.Unpriced() {
				got = append(got, unpriced.Field)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestManyUnknownMembers: what nobody would pass on one by one is refused for good.
func TestManyUnknownMembers(t *testing.T) {
	body := `{"model":"maxi","messages":[]`
	for i := range 65 {
		body += fmt.Sprintf(`,"zz%d":1`, i)
	}
	_, err := protocol.ChatCompletions{}.Read(incoming(body + "}"))
	var wrong *protocol.RequestError
	if !errors.As(err, &wrong) || !strings.Contains(wrong.Reason, "more than 64") {
		t.Errorf("got %v", err)
	}
}

// TestAnthropicHeaders: betas that change neither a price nor what bounds a call are sent
// on, and others only if their ModelProvider says so.
func TestAnthropicHeaders(t *testing.T) {
	for name, tc := range map[string]struct {
		header textproto.MIMEHeader
		want   []string
	}{
		"none":               {nil, nil},
		"the newest version": {textproto.MIMEHeader{"Anthropic-Version": {"2026-10-21"}}, nil},
		"harmless ones":      {textproto.MIMEHeader{"Anthropic-Version": {"2023-06-01"}, "Anthropic-Beta": {"prompt-caching-2024-07-31,interleaved-thinking-2025-05-14", " files-api-2025-04-14 , "}}, nil},
		"long context":       {textproto.MIMEHeader{"Anthropic-Beta": {"pdfs-2024-09-25, context-1m-2025-08-07"}}, []string{"anthropic-beta=context-1m-2025-08-07"}},
		"one of tomorrow":    {textproto.MIMEHeader{"Anthropic-Beta": {"pdfs-2024-09-26", "fast-mode-2026-02-01x"}}, []string{"anthropic-beta=pdfs-2024-09-26", "anthropic-beta=fast-mode-2026-02-01x"}},
		"another version":    {textproto.MIMEHeader{"Anthropic-Version": {"2099-01-01"}}, []string{"anthropic-version=2099-01-01"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := incoming(`{"model":"maxi","max_tokens":7,"messages":[]}`)
			if tc.header != nil {
				in.Header = tc.header
			}
			request, err := protocol.Messages{}.Read(in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, unpriced := range request.Unpriced() {
				got = append(got, unpriced.Field)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
