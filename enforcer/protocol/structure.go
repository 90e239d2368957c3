package protocol

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Some requests demand more than text of an answer: that it follows a schema, or calls a tool. A
// program that asks for either cannot read mere text, so there is no Message for it.

// given is whether there is a value that is not null.
func given(value gjson.Result) bool { return value.Exists() && value.Type != gjson.Null }

// isFormatted is whether a format, as OpenAI has it, is another than text.
func isFormatted(format gjson.Result) bool {
	return given(format) && format.Get("type").Str != "text"
}

// forcesTool is whether a choice of tools, as OpenAI has it, makes the model call one.
func forcesTool(choice gjson.Result) bool {
	if !choice.IsObject() {
		return choice.Str == "required"
	}
	if choice.Get("type").Str != "allowed_tools" {
		return true
	}
	return choice.Get("mode").Str == "required" || choice.Get("allowed_tools.mode").Str == "required"
}

// demandsStructure is whether text is no answer to the request.
func (r *chatRequest) demandsStructure() bool {
	request := gjson.ParseBytes(r.body)
	return isFormatted(request.Get("response_format")) || forcesTool(request.Get("tool_choice")) || request.Get("function_call").IsObject()
}

func (r *responsesRequest) demandsStructure() bool {
	request := gjson.ParseBytes(r.body)
	return isFormatted(request.Get("text.format")) || forcesTool(request.Get("tool_choice"))
}

func (r *messagesRequest) demandsStructure() bool {
	request := gjson.ParseBytes(r.body)
	return given(request.Get("output_format")) || given(request.Get("output_config.format")) ||
		slices.Contains([]string{"any", "tool"}, request.Get("tool_choice.type").Str)
}

func (r *generateRequest) demandsStructure() bool {
	config := protoMember(gjson.ParseBytes(r.body), "generationConfig")
	for _, schema := range []string{"responseSchema", "responseJsonSchema", "_responseJsonSchema"} {
		if given(protoMember(config, schema)) {
			return true
		}
	}
	if media := protoMember(config, "responseMimeType").Str; media != "" && media != "text/plain" {
		return true
	}
	calling := protoMember(protoMember(gjson.ParseBytes(r.body), "toolConfig"), "functionCallingConfig")
	mode := calling.Get("mode")
	return strings.EqualFold(mode.Str, "ANY") || mode.Int() == geminiAny
}

// geminiAny is the number of the mode ANY, which JSON of Protocol Buffers may have in the
// place of its name.
const geminiAny = 2

// protoMember is a member whose name is in camel case or in snake case.
func protoMember(object gjson.Result, name string) gjson.Result {
	if value := object.Get(name); value.Exists() {
		return value
	}
	return object.Get(snakeCase(name))
}
