package protocol

import "maps"

var responsesAllowed = allowed{
	"model": bounded, "input": responsesItems, "instructions": bounded, "tools": responsesTools,
	"max_output_tokens": bounded, "service_tier": bounded, "background": bounded, "stream": bounded,
	"stream_options":       object(allowed{"include_obfuscation": free}),
	"previous_response_id": bounded, "conversation": bounded,

	"temperature": free, "top_p": free, "top_logprobs": free, "include": free, "truncation": free, "text": free,
	"reasoning": object(allowed{
		"effort": free, "summary": free, "generate_summary": free, "context": bounded,
		"mode": onlyValues("what other modes do is billed beyond max_output_tokens", "standard"),
	}),
	"tool_choice": free, "parallel_tool_calls": free, maxToolCalls: bounded,
	"store": free, "metadata": free, "client_metadata": free, "user": free, "safety_identifier": free,
	"prompt_cache_key": free, "prompt_cache_retention": free,

	"prompt":               unbounded("the cost of a stored prompt cannot be bounded"),
	"context_management":   unbounded("context compaction is billed beyond max_output_tokens"),
	"moderation":           unbounded(whySeparately),
	"image":                unbounded(whySeparately),
	"access_programs":      unbounded("its cost is not known"),
	"prompt_cache_options": cacheOptions,
	// What some compatible providers add.
	"plugins":         unbounded(whySeparately),
	"models":          unbounded(whyOtherModel),
	"provider":        unbounded(whyOtherModel),
	"providerOptions": unbounded(whyOtherModel),
}

// responsesItems are messages, and what a model and the client's tools have said before.
var responsesItems = ofTypes("use messages, function calls and their outputs", map[string]rule{
	"": responsesMessage, "message": responsesMessage,
	"function_call":           responsesItem("name", "arguments", "parsed_arguments"), // which the SDK adds
	"function_call_output":    object(itemMembers.plus(allowed{"name": free, "output": responsesContent})),
	"custom_tool_call":        responsesItem("name", "input"),
	"custom_tool_call_output": object(itemMembers.plus(allowed{"name": free, "output": responsesContent})),
	"local_shell_call":        responsesItem("action"),
	"local_shell_call_output": responsesItem("output"),
	"shell_call":              responsesItem("action", "environment"),
	"shell_call_output":       responsesItem("output", "max_output_length"),
	"apply_patch_call":        responsesItem("operation"),
	"apply_patch_call_output": responsesItem("output"),
	"tool_search_call":        responsesItem("arguments", "execution"),
	"tool_search_output":      object(itemMembers.plus(allowed{"tools": responsesTools, "execution": free})),
	"additional_tools":        object(itemMembers.plus(allowed{"tools": responsesTools, "role": free})),
	"configuration_update":    object(itemMembers.plus(allowed{"reasoning": object(allowed{"effort": free})})),
	// What only the context window bounds.
	"reasoning":          responsesItem("summary", "content", "encrypted_content"),
	"compaction":         responsesItem("encrypted_content"),
	"compaction_trigger": responsesItem(),
	"item_reference":     responsesItem(),
	"web_search_call":    responsesItem("action"),
})

var responsesMessage = object(allowed{
	"type": free, "id": free, "role": free, "status": free, "phase": free, "content": responsesContent,
})

// itemMembers are those of every item that is no message.
var itemMembers = allowed{"type": free, "id": bounded, "status": free, "call_id": free, "caller": free, "namespace": free, "async": free}

// responsesItem is an item with some members of its own.
func responsesItem(names ...string) rule {
	members := maps.Clone(itemMembers)
	for _, name := range names {
		members[name] = bounded
	}
	return object(members)
}

var responsesContent = ofTypes(`use "input_text", "output_text", "refusal", "input_image", "input_audio" or "input_file"`, map[string]rule{
	"input_text":   responsesText,
	"output_text":  responsesText,
	"text":         responsesText,
	"summary_text": responsesText,
	"refusal":      object(allowed{"type": free, "refusal": free}),
	"input_image": object(allowed{
		"type": free, "image_url": bounded, "file_id": bounded,
		"detail": onlyValues("its tokens cannot be bounded", "auto", "low", "high"),
	}.plus(cacheMarks)),
	"input_audio": object(allowed{"type": free, "input_audio": object(allowed{"data": bounded, "format": free})}.plus(cacheMarks)),
	"input_file": object(allowed{
		"type": free, "file_data": bounded, "file_id": bounded, "file_url": bounded, "filename": free, "detail": free,
	}.plus(cacheMarks)),
})

var responsesText = object(allowed{"type": free, "text": free, "annotations": free, "logprobs": free}.plus(cacheMarks))

// maxToolCalls is the member that bounds how often the provider runs any tool of its own.
const maxToolCalls = "max_tool_calls"

// responsesWebSearch is a search on the web, of which each is billed, and what is found as input.
var responsesWebSearch = object(allowed{
	"type": free, "filters": free, "user_location": free, "search_context_size": free, "search_content_types": free,
	"external_web_access": free, "index_gated_web_access": free, "indexed_web_access": free,
}).chargedWithin(webSearchFee, maxToolCalls, whySeparately)

// responsesTools are those that the client runs, namespaces of them, and those that the
// provider runs for a fee.
var responsesTools = ofTypes(whyClientsTools, map[string]rule{
	"function": responsesFunction, "custom": responsesCustom,
	"namespace": object(allowed{
		"type": free, "name": free, "description": free,
		"tools": ofTypes(whyClientsTools, map[string]rule{"function": responsesFunction, "custom": responsesCustom}),
	}),
	"web_search": responsesWebSearch, "web_search_2025_08_26": responsesWebSearch,
	"web_search_preview": responsesWebSearch, "web_search_preview_2025_03_11": responsesWebSearch,
	"local_shell": object(allowed{"type": free}),
	"apply_patch": object(allowed{"type": free, "allowed_callers": free}),
	"shell": object(allowed{
		"type": free, "allowed_callers": free,
		"environment": ofTypes(whyContainers, map[string]rule{"local": object(allowed{"type": free, "skills": free})}),
	}).needing("environment", whyContainers),
	"tool_search": object(allowed{
		"type": free, "description": free, "parameters": free, "execution": onlyValues(whyRunByProvider, "client"),
	}).needing("execution", whyRunByProvider),
})

const whyContainers = "the provider's containers are billed separately"

const whyClientsTools = `use "function", "custom" or "web_search", or another tool that the client runs`

var responsesFunction = object(allowed{
	"type": free, "name": free, "description": free, "parameters": free, "strict": free, "allowed_callers": free,
	"defer_loading": free, "output_schema": free, "async": free,
})

var responsesCustom = object(allowed{
	"type": free, "name": free, "description": free, "format": free, "allowed_callers": free, "defer_loading": free, "async": free,
})
