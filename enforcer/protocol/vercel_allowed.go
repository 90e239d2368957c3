package protocol

import (
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/api/price"
)

// Why an option of the gateway is unpriced.
const (
	whyOtherHost   = "another host of the model may have other prices: put those of the dearest host in the ModelProvider"
	whyOtherKey    = "what the caller's own key pays for is not counted"
	whyModelsOfOwn = "another model has other prices and other limits: use a virtual model"
)

// vercelAllowed are the members of a call of a language model in the specifications 2, 3 and
// 4. What the options of providers are is the matter of their packages for the AI SDK.
var vercelAllowed = allowed{
	"prompt": object(vercelMessageAllowed), "tools": vercelToolsAllowed, "maxOutputTokens": bounded,
	"temperature": free, "topP": free, "topK": free, "presencePenalty": free, "frequencyPenalty": free, "seed": free,
	"stopSequences": free, "responseFormat": free, "toolChoice": free, "reasoning": bounded, "includeRawChunks": free,
	"headers":         vercelHeaders,
	"providerOptions": vercelOptions,
}

// vercelHeaders are what the SDK wants to have sent to the provider behind the gateway.
var vercelHeaders = object(allowed{"user-agent": free})

// vercelMessageAllowed has the members of a message of any role.
var vercelMessageAllowed = allowed{"role": free, "content": vercelContentAllowed, "providerOptions": vercelPartOptions}

var vercelContentAllowed = ofTypes("use a part that the AI SDK has", map[string]rule{
	"text":           vercelPart(allowed{"text": free}),
	"reasoning":      vercelPart(allowed{"text": free}),
	"file":           vercelPart(vercelFile),
	"reasoning-file": vercelPart(vercelFile),
	"custom":         vercelPart(allowed{"kind": free}),
	"tool-call": vercelPart(allowed{
		"toolCallId": free, "toolName": free, "input": free, "providerExecuted": free, "dynamic": free, "title": free,
	}),
	"tool-result":            vercelPart(allowed{"toolCallId": free, "toolName": free, "output": vercelOutputAllowed, "dynamic": free}),
	"tool-approval-request":  vercelPart(allowed{"approvalId": free, "toolCallId": free}),
	"tool-approval-response": vercelPart(allowed{"approvalId": free, "approved": free, "reason": free}),
})

// vercelFile are the members of a file, whose data is a string, or from specification 4 on an
// object.
var vercelFile = allowed{
	"data":      object(allowed{"type": free, "data": bounded, "url": bounded, "originalUrl": free, "reference": bounded, "text": bounded}),
	"mediaType": bounded, "filename": free, "originalUrl": free,
}

// vercelOutputAllowed is what a tool of the client has answered.
var vercelOutputAllowed = ofTypes("use an output that the AI SDK has", map[string]rule{
	"text":             vercelPart(allowed{"value": free}),
	"json":             vercelPart(allowed{"value": free}),
	"error-text":       vercelPart(allowed{"value": free}),
	"error-json":       vercelPart(allowed{"value": free}),
	"execution-denied": vercelPart(allowed{"reason": free}),
	"content": vercelPart(allowed{"value": ofTypes("use a content that the AI SDK has", map[string]rule{
		"text":          vercelPart(allowed{"text": free}),
		"media":         vercelPart(vercelFile),
		"file":          vercelPart(vercelFile),
		"file-data":     vercelPart(vercelFile),
		"image-data":    vercelPart(vercelFile),
		"file-url":      vercelPart(allowed{"url": bounded, "mediaType": bounded}),
		"image-url":     vercelPart(allowed{"url": bounded, "mediaType": bounded}),
		"file-id":       vercelPart(allowed{"fileId": bounded}),
		"image-file-id": vercelPart(allowed{"fileId": bounded}),
		"custom":        vercelPart(allowed{}),
	})}),
})

// vercelPart is a part with these members.
func vercelPart(members allowed) rule {
	return object(members.plus(allowed{"type": free, "providerOptions": vercelPartOptions}))
}

// vercelToolsAllowed are those that the client runs.
var vercelToolsAllowed = ofTypes(`use "function"`, map[string]rule{
	"function": object(allowed{
		"type": free, "name": free, "description": free, "inputSchema": free, "inputExamples": free, "strict": free, "title": free,
		"providerOptions": vercelPartOptions,
	}),
	"provider":         vercelProviderTool,
	"provider-defined": vercelProviderTool,
})

// vercelClientTools are the tools that a provider has defined and the client runs.
var vercelClientTools = []string{
	"anthropic.bash_20241022", "anthropic.bash_20250124",
	"anthropic.computer_20241022", "anthropic.computer_20250124", "anthropic.computer_20251124",
	"anthropic.text_editor_20241022", "anthropic.text_editor_20250124", "anthropic.text_editor_20250429", "anthropic.text_editor_20250728",
	"anthropic.memory_20250818",
	"openai.local_shell", "openai.apply_patch", "openai.custom",
}

var vercelProviderTool = object(allowed{
	"type": free, "id": onlyValues(whyRunByProvider, vercelClientTools...), "name": free, "args": free,
})

// vercelPartOptions are what providers have told of a part, which is sent back to them with
// it, and how it is to be kept in their caches.
var vercelPartOptions = object(vercelByProvider(map[string]allowed{
	"openai azure xai": {
		"itemId": bounded, "reasoningEncryptedContent": free, "phase": free, "responseId": free,
		"imageDetail": onlyValues("its tokens cannot be bounded", "auto", "low", "high"),
	},
	"anthropic vertexAnthropic": {
		"cacheControl": cacheControl, "cache_control": cacheControl, "signature": free, "redactedData": free, "caller": free, "eagerInputStreaming": free,
	},
	"bedrock": {
		"cachePoint": object(allowed{"type": free}).pricedAs(price.CacheWrite5m, whyCacheWrites), "signature": free, "redactedData": free,
	},
	"google vertex googleVertex": {"thoughtSignature": free},
	"gateway":                    {"generationId": free, "routing": free, "cost": free, "marketCost": free},
}))

// vercelOptions are those of a call, by provider, as far as their packages' lists of options
// say that they cost nothing but tokens. serviceTier and how much is to be thought are read.
var vercelOptions = object(vercelByProvider(map[string]allowed{
	"gateway": {
		"user": free, "tags": free, "serviceTier": bounded,
		"caching": free.pricedAs(price.CacheWrite5m, whyCacheWrites),
		"order":   unbounded(whyOtherHost), "only": unbounded(whyOtherHost), "sort": unbounded(whyOtherHost),
		"has": unbounded(whyOtherHost), "headquarters": unbounded(whyOtherHost), "providerTimeouts": unbounded(whyOtherHost),
		"zeroDataRetention": onlyFalse(whyOtherHost), "disallowPromptTraining": onlyFalse(whyOtherHost),
		"models": unbounded(whyModelsOfOwn), "byok": unbounded(whyOtherKey), "quotaEntityId": unbounded(whyOtherKey),
	},
	"openai azure": {
		"serviceTier": bounded, "reasoningEffort": free, "reasoningSummary": free, "textVerbosity": free, "strictJsonSchema": free,
		"structuredOutputs": free, "parallelToolCalls": free, "maxToolCalls": free, "instructions": free, "include": free,
		"logprobs": free, "logitBias": free, "truncation": free, "systemMessageMode": free, "forceReasoning": free,
		"store": free, "metadata": free, "user": free, "safetyIdentifier": free, "promptCacheKey": free, "promptCacheRetention": free,
	},
	"anthropic vertexAnthropic": {
		"thinking": object(allowed{"type": free, "budgetTokens": bounded, "display": free}), "effort": free, "sendReasoning": free,
		"structuredOutputMode": free, "disableParallelToolUse": free, "toolStreaming": free, "metadata": object(allowed{"userId": free}),
		"cacheControl": cacheControl,
	},
	"bedrock": {
		"reasoningConfig": object(allowed{"type": free, "budgetTokens": bounded, "maxReasoningEffort": free}),
	},
	"google vertex googleVertex": {
		"thinkingConfig":     object(allowed{"thinkingBudget": free, "includeThoughts": free, "thinkingLevel": free}),
		"responseModalities": onlyValues("tokens of other kinds of output have prices of their own, and the answer does not count them apart", "TEXT"),
		"safetySettings":     free, "structuredOutputs": free, "threshold": free, "labels": free, "mediaResolution": free,
	},
	"xai":      {"reasoningEffort": free, "parallelFunctionCalling": free},
	"groq":     {"reasoningEffort": free, "reasoningFormat": free, "parallelToolCalls": free, "structuredOutputs": free, "user": free},
	"mistral":  {"safePrompt": free, "parallelToolCalls": free, "structuredOutputs": free, "strictJsonSchema": free},
	"deepseek": {"thinking": object(allowed{"type": free})},
}))

// vercelEmbeddingAllowed are the members of a call of an embedding model: input in
// specification 2, values from 3 on.
var vercelEmbeddingAllowed = allowed{
	"input": bounded, "values": bounded, "dimensions": free,
	"providerOptions": object(vercelByProvider(map[string]allowed{
		"gateway":                    {"user": free, "tags": free},
		"openai azure":               {"dimensions": free, "user": free},
		"google vertex googleVertex": {"outputDimensionality": free, "taskType": free, "title": free, "autoTruncate": free},
		"mistral":                    {},
		"cohere":                     {"inputType": free, "truncate": free, "outputDimension": free},
		"voyage":                     {"inputType": free, "truncation": free, "outputDimension": free},
	})),
}

// vercelByProvider are the options of providers, several of which may have the same.
func vercelByProvider(options map[string]allowed) allowed {
	all := allowed{}
	for names, of := range options {
		for name := range strings.FieldsSeq(names) {
			all[name] = object(of)
		}
	}
	return all
}

// runsAtClient is whether the client runs a tool that a provider has defined.
func runsAtClient(id string) bool { return slices.Contains(vercelClientTools, id) }
