package protocol

import "github.com/bursar-dev/bursar/api/price"

// Why a member of a request is unpriced.
const (
	whyRunByProvider = "the cost of tools that the provider runs cannot be bounded"
	whySeparately    = "it is billed separately"
	whyOtherModel    = "another model may have other prices"
	whyKeptLonger    = "what is kept in the cache for that long may have another price"
	whyCacheWrites   = "what it writes to the cache has a price of its own"
)

// chatAllowed are OpenAI's, and those of compatible providers that sample, show the
// model's thoughts, or say what was said before.
var chatAllowed = allowed{
	"model": bounded, "messages": object(chatMessageAllowed), "tools": chatToolsAllowed,
	"max_tokens": bounded, "max_completion_tokens": bounded, "n": bounded, "service_tier": bounded,
	"stream":         bounded,
	"stream_options": object(allowed{"include_usage": bounded, "include_obfuscation": free, "continuous_usage_stats": free}),
	"modalities":     onlyValues(`use "text" or "audio"`, "text", "audio"),
	"audio":          object(allowed{"voice": free, "format": free}),

	"temperature": free, "top_p": free, "top_k": free, "min_p": free, "top_a": free, "seed": free, "random_seed": free,
	"frequency_penalty": free, "presence_penalty": free, "repetition_penalty": free,
	"logit_bias": free, "logprobs": free, "top_logprobs": free, "stop": free,
	"response_format": free, "verbosity": free, "reasoning_effort": free, "reasoning": free, "include_reasoning": free,
	"reasoning_format": free, "thinking": free, "enable_thinking": free, "thinking_budget": free, "transforms": free,
	"tool_choice": free, "parallel_tool_calls": free, "functions": free, "function_call": free,
	"store": free, "metadata": free, "user": free, "safety_identifier": free, "user_security_context": free,
	"prompt_cache_key": free, "prompt_cache_retention": free,
	"usage": object(allowed{"include": free}), // OpenRouter's include_usage

	"prediction":           unbounded("rejected predictions are billed beyond max_completion_tokens"),
	"web_search_options":   unbounded("its searches are billed, but no answer of Chat Completions counts them: use the tool web_search of Responses"),
	"moderation":           unbounded(whySeparately),
	"prompt_cache_options": cacheOptions,
	// What some compatible providers add.
	"search_parameters": unbounded(whySeparately),
	"plugins":           unbounded(whySeparately),
	"data_sources":      unbounded(whySeparately),
	"models":            unbounded(whyOtherModel),
	"provider":          unbounded(whyOtherModel),
	"providerOptions":   unbounded(whyOtherModel),
	"route":             unbounded(whyOtherModel),
	"extra_body":        googleBody,
	"enable_search":     onlyFalse(whySeparately), "search_options": unbounded(whySeparately),
	"best_of": unbounded("answers that are generated and not returned are billed, too"),
}

// googleBody is what Gemini's API in OpenAI's shape has beside it.
var googleBody = object(allowed{"google": object(allowed{
	"thinking_config": object(allowed{
		"include_thoughts": free, "includeThoughts": free, "thinking_budget": free, "thinkingBudget": free, "thinking_level": free, "thinkingLevel": free,
	}),
	"thought_tag_marker": free,
})})

// chatMessageAllowed has the members of a message of any role, also as an answer has given them.
var chatMessageAllowed = allowed{
	"role": free, "name": free, "content": chatContentAllowed, "refusal": free, "tool_call_id": free, "function_call": free,
	"audio":      object(allowed{"id": bounded, "data": bounded, "expires_at": free, "transcript": free}),
	"tool_calls": object(allowed{"id": free, "type": free, "index": free, "function": free, "custom": free, "extra_content": free}),
	"reasoning":  free, "reasoning_content": free, "reasoning_details": free, "annotations": free, "prefix": free,
	"cache_control": cacheControl,
}

var chatContentAllowed = ofTypes(`use "text", "refusal", "image_url", "input_audio" or "file"`, map[string]rule{
	"text":        chatPart("text"),
	"refusal":     chatPart("refusal"),
	"thinking":    chatPart("thinking").with("closed", free).with("signature", free),
	"input_audio": object(allowed{"type": free, "input_audio": object(allowed{"data": bounded, "format": free})}.plus(cacheMarks)),
	"file":        object(allowed{"type": free, "file": object(allowed{"file_data": bounded, "file_id": bounded, "filename": free})}.plus(cacheMarks)),
	"image_url": object(allowed{"type": free, "image_url": object(allowed{
		"url": bounded, "detail": onlyValues("its tokens cannot be bounded", "auto", "low", "high"),
	})}.plus(cacheMarks)),
})

// chatPart is a part with a text of that name.
func chatPart(name string) rule {
	return object(allowed{"type": free, name: free}.plus(cacheMarks))
}

// cacheMarks are where some of the input is written to the cache.
var cacheMarks = allowed{"prompt_cache_breakpoint": cacheBreakpoint, "cache_control": cacheControl}

// How input is written to the cache, which costs what the model's price for that says: all
// input is held at it. Anthropic's models behind gateways have another price for an hour.
var (
	cacheOptions    = object(allowed{"mode": free, "ttl": onlyValues(whyKeptLonger, "30m")}).pricedAs(price.CacheWrite5m, whyCacheWrites)
	cacheBreakpoint = object(allowed{"mode": free}).pricedAs(price.CacheWrite5m, whyCacheWrites)
	cacheControl    = object(allowed{
		"type": free, "ttl": onlyValues(whyKeptLonger, "5m"),
	}).pricedAs(price.CacheWrite5m, whyCacheWrites)
)

// chatToolsAllowed are those that the client runs.
var chatToolsAllowed = ofTypes(`use "function" or "custom"`, map[string]rule{
	"function": object(allowed{"type": free, "function": object(allowed{
		"name": free, "description": free, "parameters": free, "strict": free,
	})}.plus(cacheMarks)),
	"custom": object(allowed{"type": free, "custom": object(allowed{"name": free, "description": free, "format": free})}),
})
