package protocol

// anthropicVersions are the versions of the API in which usage is read.
var anthropicVersions = []string{"2026-10-21", "2023-06-01", "2023-01-01"}

// anthropicBetas are those that change neither a price nor what bounds a call. What most
// of them add stands in the body, whose members have rules of their own. Not among them
// are longContext; and those after which another model may answer (server-side-fallback), or
// another be billed (fallback-credit, user-profiles).
var anthropicBetas = []string{
	"prompt-caching-2024-07-31", "extended-cache-ttl-2025-04-11", "prompt-caching-scope-2026-01-05", "cache-diagnosis-2026-04-07",
	"computer-use-2024-10-22", "computer-use-2025-01-24", "computer-use-2025-11-24",
	"pdfs-2024-09-25", "files-api-2025-04-14", "message-batches-2024-09-24", "token-counting-2024-11-01",
	"token-efficient-tools-2025-02-19", "fine-grained-tool-streaming-2025-05-14", "advanced-tool-use-2025-11-20",
	"tool-examples-2025-10-29", "tool-search-tool-2025-10-19", "mid-conversation-tool-changes-2026-07-01", "mid-conversation-system-2026-04-07",
	"structured-outputs-2025-09-17", "structured-outputs-2025-11-13", "structured-outputs-2025-12-15",
	"dev-full-thinking-2025-05-14", "interleaved-thinking-2025-05-14", "thinking-token-count-2026-05-13",
	"adaptive-thinking-2026-01-28", "effort-2025-11-24", "task-budgets-2026-03-13", "redact-thinking-2026-02-12",
	"max-tokens-3-5-sonnet-2024-07-15", "output-128k-2025-02-19", "output-300k-2026-03-24", // within the model's maxOutputTokens
	"context-management-2025-06-27", "model-context-window-exceeded-2025-08-26", "compact-2026-01-12",
	"mcp-client-2025-04-04", "mcp-client-2025-11-20", "code-execution-2025-05-22", "code-execution-2025-08-25",
	"compact-2026-09-04", "message-threads-2026-08-12", "inline-tools-2026-09-15", "mcp-client-2026-09-15", "mcp-tunnels-2026-06-22",
	"mid-conversation-output-config-2026-07-01", "mid-conversation-system-clear-at-2026-08-21",
	"thinking-display-updates-2026-08-18", "thinking-binding-controls-2026-08-01",
	"skills-2025-10-02", "web-fetch-2025-09-10", "web-search-2025-03-05", "advisor-tool-2026-03-01", "fast-mode-2026-02-01",
	"claude-code-20250219", "oauth-2025-04-20",
}

// longContext takes a call beyond the usual window of a model, at the prices of long context.
// Coding agents ask for it in every call. It is left out for models whose contextWindow is
// shorter than longWindow: the provider then refuses what is longer.
const (
	longContext = "context-1m-2025-08-07"
	longWindow  = 1_000_000
)

var messagesAllowed = allowed{
	"model": bounded, "max_tokens": bounded, "stream": bounded, "service_tier": bounded,
	"messages": object(allowed{"role": free, "content": messagesContent}),
	"system":   messagesContent, "tools": messagesTools,
	"cache_control": bounded, // as the dearest write, wherever it stands
	threadMember: ofTypes("its cost is not known", map[string]rule{
		"create":   object(allowed{"type": free}),
		"continue": object(allowed{"type": free, "previous_message_id": bounded}),
	}),

	"temperature": free, "top_p": free, "top_k": free, "stop_sequences": free, "metadata": free, "tool_choice": free,
	"thinking": free, "output_format": free, "diagnostics": free,
	"output_config": object(allowed{"effort": free, "format": free, "task_budget": free}),
	"context_management": object(allowed{"edits": ofTypes("it is billed beyond max_tokens", map[string]rule{
		"clear_tool_uses_20250919": free,
		"clear_thinking_20251015":  free,
	})}),
	"speed":         multiplied("speed", "it is priced separately", "standard"),
	"inference_geo": multiplied("inference_geo", "it is priced separately", "global", "not_available"),

	"compaction":            unbounded("it is billed beyond max_tokens"),
	"mcp_servers":           unbounded(whyRunByProvider),
	"container":             unbounded(whySeparately),
	"fallbacks":             unbounded(whyOtherModel),
	"fallback_credit_token": unbounded(whyOtherModel),
}

var messagesContent = ofTypes("use text, images, documents, thinking or tools that the client runs", map[string]rule{
	"text":              messagesBlock("text", "citations"),
	"thinking":          messagesBlock("thinking", "signature"),
	"redacted_thinking": messagesBlock("data"),
	"tool_use":          messagesBlock("id", "name", "input", "caller", "toolset_name"),
	"server_tool_use":   messagesBlock("id", "name", "input", "caller"),
	"image":             messagesBlock("transformations").with("source", messagesSource),
	"document":          messagesBlock("title", "context", "citations").with("source", messagesSource),
	"search_result":     messagesBlock("source", "title", "citations").with("content", innerContent),
	"tool_result":       messagesBlock("tool_use_id", "is_error", "toolset_name").with("content", innerContent),
	// What only the context window bounds, as the provider knows more of it than is said.
	"tool_reference":                         messagesBlock("tool_name"),
	"tool_search_tool_result":                messagesBlock("tool_use_id", "content"),
	"web_search_tool_result":                 messagesBlock("tool_use_id", "content", "caller"),
	"web_fetch_tool_result":                  messagesBlock("tool_use_id", "content", "caller"),
	"code_execution_tool_result":             messagesBlock("tool_use_id", "content", "caller"),
	"bash_code_execution_tool_result":        messagesBlock("tool_use_id", "content", "caller"),
	"text_editor_code_execution_tool_result": messagesBlock("tool_use_id", "content", "caller"),
	"mcp_tool_use":                           messagesBlock("id", "name", "input", "server_name"),
	"mcp_tool_result":                        messagesBlock("tool_use_id", "is_error", "content"),
	"compaction":                             messagesBlock("content", "encrypted_content", "signature", "tool_changes"),
	"advisor_tool_result":                    messagesBlock("tool_use_id", "content"),
})

// innerContent is content of a block.
var innerContent = ofTypes("use text, images, documents or search results", map[string]rule{
	"text":           messagesBlock("text", "citations"),
	"image":          messagesBlock("transformations").with("source", messagesSource),
	"document":       messagesBlock("title", "context", "citations").with("source", messagesSource),
	"search_result":  messagesBlock("source", "title", "citations").with("content", innermostContent),
	"tool_reference": messagesBlock("tool_name"),
})

// innermostContent is content of a block within a block.
var innermostContent = ofTypes("use text or images", map[string]rule{
	"text":  messagesBlock("text", "citations"),
	"image": messagesBlock("transformations").with("source", object(messagesData)),
})

var messagesData = allowed{"type": free, "media_type": free, "data": bounded, "url": bounded, "file_id": bounded}

var messagesSource = object(messagesData.plus(allowed{"content": innermostContent}))

// messagesBlock is a block with some members of its own.
func messagesBlock(names ...string) rule {
	members := allowed{"type": free, "cache_control": bounded}
	for _, name := range names {
		members[name] = free
	}
	return object(members)
}

// messagesTools are those that the client runs, those that search among the tools of the
// request, which are billed by nothing but tokens, and those that the provider runs for a fee.
var messagesTools = ofTypes("use tools that the client runs, or web_search and web_fetch", map[string]rule{
	"": messagesTool("description", "input_schema", "eager_input_streaming"), "custom": messagesTool("description", "input_schema", "eager_input_streaming"),
	"bash_20241022": messagesTool(), "bash_20250124": messagesTool(),
	"text_editor_20241022": messagesTool(), "text_editor_20250124": messagesTool(),
	"text_editor_20250429": messagesTool(), "text_editor_20250728": messagesTool("max_characters"),
	"computer_20241022": computerTool, "computer_20250124": computerTool, "computer_20251124": computerTool,
	"memory_20250818":        messagesTool(),
	"tool_search_tool_regex": messagesTool(), "tool_search_tool_regex_20251119": messagesTool(),
	"tool_search_tool_bm25": messagesTool(), "tool_search_tool_bm25_20251119": messagesTool(),
	"web_search_20250305": webSearch, "web_search_20260209": webSearch, "web_search_20260318": webSearch,
	"web_fetch_20250910": webFetch, "web_fetch_20260209": webFetch, "web_fetch_20260309": webFetch, "web_fetch_20260318": webFetch,
})

// The fees of tools that the provider runs, and the member that bounds their uses.
const (
	webSearchFee, webFetchFee = "web_search", "web_fetch"
	maxUses                   = "max_uses"
)

var (
	webSearch = messagesTool(maxUses, "allowed_domains", "blocked_domains", "user_location", "response_inclusion").charged(webSearchFee, maxUses, whySeparately)
	webFetch  = messagesTool(maxUses, "allowed_domains", "blocked_domains", "citations", "max_content_tokens", "use_cache", "response_inclusion", "url_sources").
			charged(webFetchFee, maxUses, whySeparately)
)

var computerTool = messagesTool("display_width_px", "display_height_px", "display_number", "enable_zoom")

// messagesTool is a tool with some members of its own.
func messagesTool(names ...string) rule {
	return messagesBlock(append(names, "name", "allowed_callers", "defer_loading", "input_examples", "strict")...)
}
