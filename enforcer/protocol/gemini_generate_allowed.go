package protocol

// generateAllowed are written in camel case or in snake case, as in all JSON of Protocol
// Buffers.
var generateAllowed = allowed{
	"model": bounded, "contents": generateContent, "systemInstruction": generateContent,
	"cachedContent": bounded, "serviceTier": bounded,
	"generationConfig": object(generateConfig), "tools": object(generateTools),
	"toolConfig":     object(allowed{"functionCallingConfig": free, "retrievalConfig": free, "includeServerSideToolInvocations": free}),
	"safetySettings": free, "labels": free,
}.inBothCases()

var generateConfig = allowed{
	"maxOutputTokens": bounded, "candidateCount": bounded,
	"temperature": free, "topP": free, "topK": free, "seed": free, "stopSequences": free,
	"presencePenalty": free, "frequencyPenalty": free, "responseLogprobs": free, "logprobs": free,
	"responseMimeType": free, "responseSchema": free, "responseJsonSchema": free, "_responseJsonSchema": free,
	"enableEnhancedCivicAnswers": free, "audioTimestamp": free, "mediaResolution": bounded,
	"thinkingConfig":     object(allowed{"includeThoughts": free, "thinkingBudget": free, "thinkingLevel": free}),
	"responseModalities": onlyValues(`use "TEXT"`, "TEXT", "Text", "text"),

	"speechConfig":         unbounded("only text output can be asked for"),
	"imageConfig":          unbounded("only text output can be asked for"),
	"routingConfig":        unbounded(whyOtherModel),
	"modelSelectionConfig": unbounded(whyOtherModel),
}

var generateContent = object(allowed{"role": free, "parts": object(generateData.plus(allowed{
	"text": free, "thought": free, "thoughtSignature": free, "partMetadata": free,
	"functionCall": free, "executableCode": free, "codeExecutionResult": free,
	"functionResponse": object(allowed{
		"id": free, "name": free, "response": free, "scheduling": free, "willContinue": free, "parts": object(generateData),
	}),
	"videoMetadata": free, "mediaResolution": object(allowed{"level": bounded}),
}))})

// generateData is what is not text.
var generateData = allowed{
	"inlineData": object(allowed{"mimeType": bounded, "data": bounded, "displayName": free}),
	"fileData":   object(allowed{"fileUri": bounded, "mimeType": bounded, "displayName": free}),
}

// googleSearchFee is the name of the fee of a prompt that was answered by searching.
const googleSearchFee = "google_search"

// generateTools are those that the client runs, and a search. The others run with the
// provider, and nothing in a request bounds how often.
var generateTools = allowed{
	"functionDeclarations": free,
	"googleSearch": object(allowed{"timeRangeFilter": free, "excludeDomains": free, "blockingConfidence": free, "searchTypes": free}).
		charged(googleSearchFee, "", whySeparately),
	"googleSearchRetrieval": unbounded(whySeparately),
	"googleMaps":            unbounded(whySeparately),
	"enterpriseWebSearch":   unbounded(whySeparately),
	"retrieval":             unbounded(whySeparately),
	"fileSearch":            unbounded(whySeparately),
	"urlContext":            unbounded(whyRunByProvider),
	"codeExecution":         unbounded(whyRunByProvider),
	"mcpServers":            unbounded(whyRunByProvider),
	"computerUse":           unbounded("its definition has tokens of its own"),
}
