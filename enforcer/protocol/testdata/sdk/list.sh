#!/bin/sh
# Writes the members of the types of the providers' own Go clients that requests and usages
# have, one a line: the type, and the member's name in JSON. For the types of Anthropic's
# tools and blocks, the member is "type=" and the value.
#
#   enforcer/protocol/testdata/sdk/list.sh anthropic v1.84.0 > enforcer/protocol/testdata/sdk/anthropic.txt
#   enforcer/protocol/testdata/sdk/list.sh gemini v1.77.0 > enforcer/protocol/testdata/sdk/gemini.txt
#   enforcer/protocol/testdata/sdk/list.sh openai v3.99.0 > enforcer/protocol/testdata/sdk/openai.txt
set -eu

dir() { go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; }

# members of the struct types whose names match $1, in the files after it.
members() {
	pattern=$1
	shift
	awk -v pattern="^($pattern)$" '
		/^type [A-Za-z0-9_]+ struct/ { name = $2; inside = name ~ pattern }
		/^}/ { inside = 0 }
		inside && match($0, /json:"[A-Za-z_][A-Za-z0-9_]*[,"]/) { print name, substr($0, RSTART + 6, RLENGTH - 7) }
		inside && $1 == "Type" && match($0, /default:"[a-z0-9_]+"/) { print name, "type=" substr($0, RSTART + 9, RLENGTH - 10) }
	' "$@" | LC_ALL=C sort -u
}

case $1 in
anthropic)
	cd "$(dir "github.com/anthropics/anthropic-sdk-go@$2")"
	members 'BetaMessageNewParams|BetaUsage|BetaMessageDeltaUsage|BetaServerToolUsage|BetaMessageIterationUsage|Beta[A-Za-z]*IterationUsage|BetaTool[A-Za-z0-9_]*Param|Beta[A-Za-z]*Tool(set)?_?20[0-9]*Param|BetaMCPToolsetParam|Beta[A-Za-z]*BlockParam|BetaOutputConfigParam' betamessage.go
	;;
openai)
	cd "$(dir "github.com/openai/openai-go/v3@$2")"
	members 'ChatCompletionNewParams|ChatCompletion(Developer|System|User|Assistant|Tool)MessageParam|ChatCompletionContentPart(Text|Image|ImageImageURL|InputAudio|File|FileFile|Refusal)Param|CompletionUsage|CompletionUsage(Completion|Prompt)TokensDetails|EmbeddingNewParams|CreateEmbeddingResponseUsage' chatcompletion.go completion.go embedding.go
	members 'ResponseNewParams|ResponseCompactParams|ResponseUsage|ResponseUsage(Input|Output)TokensDetails|ResponseInputItem[A-Za-z]*(Call|Output|Tools|Compaction|Trigger|Reference)Param|Response(FunctionToolCall|CustomToolCall|CustomToolCallOutput|ReasoningItem|CompactionItem|OutputMessage)Param|(ApplyPatch|Custom|FunctionShell|Function|Namespace|FileSearch|Computer)ToolParam|Tool[A-Z][A-Za-z]*Param|WebSearchTool|ToolSearchToolParam' responses/response.go
	;;
gemini)
	cd "$(dir "google.golang.org/genai@$2")"
	members 'GenerateContentResponseUsageMetadata|Tool|GoogleSearch|Part|GenerationConfig|ThinkingConfig|ToolConfig|FunctionResponse|Blob|FileData' types.go
	;;
esac
