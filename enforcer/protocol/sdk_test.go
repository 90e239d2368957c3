package protocol

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// sdkTypes are the members of the types of a provider's own Go client, by type, as
// testdata/sdk/list.sh has listed them.
func sdkTypes(t *testing.T, provider string) map[string][]string {
	t.Helper()
	list, err := os.ReadFile("testdata/sdk/" + provider + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string][]string{}
	for line := range strings.Lines(string(list)) {
		name, member, _ := strings.Cut(strings.TrimSpace(line), " ")
		types[name] = append(types[name], member)
	}
	return types
}

// checkDecided: what a type of the client has is decided on here: it is in a list, with what
// it costs, or refused on purpose.
func checkDecided[V any](t *testing.T, what string, members []string, known map[string]V, refused ...string) {
	t.Helper()
	if len(members) == 0 {
		t.Errorf("%s: the client has no such type", what)
	}
	for _, member := range members {
		_, ok := known[member]
		if strings.HasPrefix(member, "type=") || ok && !slices.Contains(refused, member) || !ok && slices.Contains(refused, member) {
			continue
		}
		t.Errorf("%s.%s: known here %t, refused on purpose %t", what, member, ok, !ok)
	}
}

// typeIn is the type that objects of a client's type have.
func typeIn(members []string) string {
	for _, member := range members {
		if name, ok := strings.CutPrefix(member, "type="); ok {
			return name
		}
	}
	return ""
}

// TestAnthropicClient holds what is known of Messages against Anthropic's own client.
func TestAnthropicClient(t *testing.T) {
	types := sdkTypes(t, "anthropic")
	checkDecided(t, "BetaMessageNewParams", types["BetaMessageNewParams"], messagesAllowed)
	// A call billed as if another model had been asked from its start.
	checkDecided(t, "BetaUsage", types["BetaUsage"], messagesKnown, "fallback_credit")
	checkDecided(t, "BetaMessageDeltaUsage", types["BetaMessageDeltaUsage"], messagesKnown, "fallback_credit")
	refused := map[string]string{
		"advisor_20260301": "asks another model", "code_execution_20250522": "no bound", "code_execution_20250825": "no bound",
		"code_execution_20260120": "no bound", "code_execution_20260521": "no bound", "mcp_toolset": "servers of tools are refused",
		"browser_toolset_20260801": "tools of unknown length", "computer_toolset_20260801": "tools of unknown length",
		"container_upload": "a container", "tool_addition": "tools of unknown length", "tool_removal": "the same",
		"mcp_tool_listing": "tools of unknown length", "fallback": "another model",
	}
	for name, members := range types {
		kind := typeIn(members)
		tool, isTool := messagesTools.byType[kind]
		block, isBlock := messagesContent.byType[kind]
		inner, isInner := innerContent.byType[kind]
		switch {
		case kind == "" || strings.HasSuffix(name, "IterationUsage") || isAside(name):
		case strings.Contains(name, "Tool2") || strings.HasPrefix(name, "BetaTool") && isTool || strings.Contains(name, "Toolset"):
			if _, ok := refused[kind]; ok == isTool {
				t.Errorf("a tool of type %s: known here %t, refused on purpose %t", kind, isTool, ok)
			} else if isTool {
				checkDecided(t, name, members, tool.object)
			}
		case isBlock:
			checkDecided(t, name, members, block.object)
		case isInner:
			checkDecided(t, name, members, inner.object)
		case refused[kind] == "":
			t.Errorf("a block of type %s (%s) is neither known here nor refused on purpose", kind, name)
		}
	}
}

// isAside is whether a type of the client stands within a member that may be anything, such
// as the result of a tool.
func isAside(name string) bool {
	for _, part := range []string{"ToolChoice", "ToolChange", "ToolInputSchema", "ToolUsesKeep", "ToolUsesTrigger", "OutputBlock", "ResultError", "BrowserState"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	result := strings.HasSuffix(name, "ResultBlockParam") && !strings.HasSuffix(name, "ToolResultBlockParam") && name != "BetaSearchResultBlockParam"
	return result || name == "BetaWebFetchBlockParam"
}

// TestGeminiClient holds what is known of generateContent against Google's own client.
func TestGeminiClient(t *testing.T) {
	types := sdkTypes(t, "gemini")
	checkDecided(t, "GenerateContentResponseUsageMetadata", types["GenerateContentResponseUsageMetadata"], generateKnown)
	checkDecided(t, "GenerationConfig", types["GenerationConfig"], generateConfig,
		"responseFormat", "translationConfig", "audioTranscriptionConfig", "enableAffectiveDialog") // of other models
	checkDecided(t, "ThinkingConfig", types["ThinkingConfig"], generateConfig["thinkingConfig"].object)
	checkDecided(t, "Tool", types["Tool"], generateTools, "parallelAiSearch", "exaAiSearch") // of others
	checkDecided(t, "GoogleSearch", types["GoogleSearch"], generateTools["googleSearch"].object)
	checkDecided(t, "ToolConfig", types["ToolConfig"], generateAllowed["toolConfig"].object)
	part := generateContent.object["parts"].object
	checkDecided(t, "Part", types["Part"], part, "toolCall", "toolResponse", "audioTranscription", "mediaProcessing", "speechMetadata")
	checkDecided(t, "Blob", types["Blob"], part["inlineData"].object)
	checkDecided(t, "FileData", types["FileData"], part["fileData"].object)
	checkDecided(t, "FunctionResponse", types["FunctionResponse"], part["functionResponse"].object)
	if unknown := slices.Sorted(maps.Keys(types)); len(unknown) != 10 {
		t.Errorf("the client's types are %q", unknown)
	}
}
