package protocol

import (
	"strings"
	"testing"
)

// TestOpenAIClient holds what is known of Chat Completions and Embeddings against OpenAI's own
// client.
func TestOpenAIClient(t *testing.T) {
	types := sdkTypes(t, "openai")
	checkDecided(t, "ChatCompletionNewParams", types["ChatCompletionNewParams"], chatAllowed)
	for _, role := range []string{"Developer", "System", "User", "Assistant", "Tool"} {
		name := "ChatCompletion" + role + "MessageParam"
		checkDecided(t, name, types[name], chatMessageAllowed)
	}
	for _, part := range []string{"Text", "Image", "InputAudio", "File", "Refusal"} {
		name := "ChatCompletionContentPart" + part + "Param"
		checkDecided(t, name, types[name], chatContentAllowed.byType[typeIn(types[name])].object)
	}
	file := chatContentAllowed.byType["file"].object["file"].object
	checkDecided(t, "ChatCompletionContentPartFileFileParam", types["ChatCompletionContentPartFileFileParam"], file)
	image := chatContentAllowed.byType["image_url"].object["image_url"].object
	checkDecided(t, "ChatCompletionContentPartImageImageURLParam", types["ChatCompletionContentPartImageImageURLParam"], image)
	checkDecided(t, "CompletionUsage", types["CompletionUsage"], chatKnown)
	checkDecided(t, "CompletionUsagePromptTokensDetails", types["CompletionUsagePromptTokensDetails"], chatInputKnown)
	checkDecided(t, "CompletionUsageCompletionTokensDetails", types["CompletionUsageCompletionTokensDetails"], chatOutputKnown)
	checkDecided(t, "EmbeddingNewParams", types["EmbeddingNewParams"], embeddingsAllowed)
	checkDecided(t, "CreateEmbeddingResponseUsage", types["CreateEmbeddingResponseUsage"], embeddingsKnown)
}

// TestOpenAIClientOfResponses holds what is known of Responses against OpenAI's own client.
func TestOpenAIClientOfResponses(t *testing.T) {
	types := sdkTypes(t, "openai")
	checkDecided(t, "ResponseNewParams", types["ResponseNewParams"], responsesAllowed)
	checkDecided(t, "ResponseCompactParams", types["ResponseCompactParams"], compactAllowed)
	checkDecided(t, "ResponseUsage", types["ResponseUsage"], responsesKnown)
	checkDecided(t, "ResponseUsageInputTokensDetails", types["ResponseUsageInputTokensDetails"], responsesKnown["input_tokens_details"])
	checkDecided(t, "ResponseUsageOutputTokensDetails", types["ResponseUsageOutputTokensDetails"], responsesKnown["output_tokens_details"])
	refused := map[string]string{
		"file_search": "run by the provider", "computer": "tools of unknown length", "code_interpreter": "a container",
		"image_generation": "billed separately", "mcp": "run by the provider", "programmatic_tool_calling": "a container",
		"image_generation_call": "what only the provider has", "mcp_call": "run by the provider",
		"mcp_list_tools": "tools of unknown length", "program_output": "a container", "computer_call_output": "tools of unknown length",
	}
	for name, members := range types {
		kind := typeIn(members)
		tool, isTool := responsesTools.byType[kind]
		item, isItem := responsesItems.byType[kind]
		switch {
		case kind == "" || strings.HasPrefix(name, "ChatCompletion") || strings.HasPrefix(name, "ToolChoice") || strings.HasPrefix(name, "ToolCodeInterpreterContainer"):
		case isTool && strings.Contains(name, "Tool") && !isItem:
			checkDecided(t, name, members, tool.object)
		case isItem:
			checkDecided(t, name, members, item.object)
		case refused[kind] == "":
			t.Errorf("%s: the type %q is neither known here nor refused on purpose", name, kind)
		}
	}
}
