package protocol

// CheckPath is what a provider of the protocol can be asked for with GET, below its endpoint, to
// see whether it is there and knows its key: it costs nothing. It is empty where there is nothing
// of that kind.
func CheckPath(p Protocol) string {
	if checkable, ok := p.(interface{ checkPath() string }); ok {
		return checkable.checkPath()
	}
	return ""
}

func (OpenAI) checkPath() string          { return "/models" }
func (AzureOpenAI) checkPath() string     { return "/openai/models?api-version=2024-10-21" }
func (Anthropic) checkPath() string       { return "/models?limit=1" }
func (Gemini) checkPath() string          { return "/models?pageSize=1" }
func (VercelAIGateway) checkPath() string { return vercelCredits }
