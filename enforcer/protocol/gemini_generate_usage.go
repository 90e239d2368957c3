package protocol

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/price"
)

// generateKnown are the members of a usage of generateContent.
var generateKnown = knownMembers{
	"promptTokenCount": counted, "cachedContentTokenCount": counted, "candidatesTokenCount": counted, "thoughtsTokenCount": counted,
	"toolUsePromptTokenCount": counted, "totalTokenCount": counted, "trafficType": neutral, "serviceTier": counted,
	"promptTokensDetails": generateModalities, "cacheTokensDetails": generateModalities, "candidatesTokensDetails": generateModalities,
	"toolUsePromptTokensDetails": generateModalities,
}.plus(costKnown)

// generateModalities divide a count, which is billed as the reader has it.
var generateModalities = knownMembers{"tokenCount": counted}

// generateUsage is by what the usage of an answer is judged. It holds nothing of the request.
type generateUsage struct {
	bill bill
	// searches is whether a search was asked for that the model has a fee for.
	searches bool

	usage, model    gjson.Result
	spoke, searched bool
}

// reading reads a usage, in which numbers that are 0 may be absent, except for that of the
// prompt. Cached tokens are contained in the prompt's; thoughts, and what was read for tools,
// are not contained in anything.
func (u generateUsage) reading() reading {
	n := numbers{of: u.usage}
	prompt, cached := n.must("promptTokenCount"), n.may("cachedContentTokenCount")
	candidates, thoughts, tools := n.may("candidatesTokenCount"), n.may("thoughtsTokenCount"), n.may("toolUsePromptTokenCount")
	// Without a total, an answer without candidates may be one without usage.
	if total := u.usage.Get("totalTokenCount"); total.Type != gjson.Null {
		candidates = max(candidates, n.must("totalTokenCount")-prompt-tools-thoughts)
	} else {
		n.must("candidatesTokenCount")
	}
	audio, cachedAudio := n.modality("promptTokensDetails", "AUDIO"), n.modality("cacheTokensDetails", "AUDIO")
	spoken, pictures := n.modality("candidatesTokensDetails", "AUDIO"), n.modality("candidatesTokensDetails", "IMAGE")
	used := price.Usage{
		Input:       prompt - cached - (audio - cachedAudio) + tools,
		CachedInput: cached - cachedAudio, AudioInput: audio - cachedAudio, CachedAudioInput: cachedAudio,
		Output: candidates - spoken - pictures + thoughts, AudioOutput: spoken, ImageOutput: pictures,
		Reasoning: thoughts, ServiceTier: servedByGoogle(u.bill.tier, u.usage.Get("serviceTier")),
	}
	if u.searches && u.searched {
		used.Uses = oneSearch
	}
	return u.bill.judge(&n, statement{usage: u.usage, known: generateKnown, used: used, model: u.model, spoke: u.spoke})
}

// oneSearch is a prompt that was answered by searching: however many searches that takes, it
// is billed once.
var oneSearch = price.UsesOf(map[string]int64{googleSearchFee: 1})

func servedByGoogle(tier serviceTier, answered gjson.Result) price.ServiceTier {
	answered.Str = strings.ToLower(strings.TrimPrefix(answered.Str, "SERVICE_TIER_"))
	return tier.served(answered)
}

// Signs of what is in an answer. In a string of JSON, no quote stands without a backslash.
var (
	textSign = regexp.MustCompile(`"text"\s{0,32}:\s{0,32}"[^"]|"(functionCall|inlineData|executableCode)"\s{0,32}:\s{0,32}\{`)
	// Of a search, either what was asked or what was found is there.
	searchSign = regexp.MustCompile(`"webSearchQueries"\s{0,8}:\s{0,8}\[\s{0,64}"|"(groundingChunks|groundingSupports)"\s{0,8}:\s{0,8}\[\s{0,64}\{`)
)

// maxSign is the size of the largest sign.
const maxSign = 128

// signs looks for signs in an answer that passes by in pieces, cut anywhere.
type signs struct {
	tail            []byte
	spoke, searched bool
}

func (s *signs) look(piece []byte) {
	if s.spoke && s.searched {
		return
	}
	seam := slices.Concat(s.tail, piece[:min(len(piece), maxSign)])
	for _, part := range [][]byte{seam, piece} {
		s.spoke = s.spoke || textSign.Match(part)
		s.searched = s.searched || searchSign.Match(part)
	}
	if len(piece) >= maxSign {
		seam = piece
	}
	s.tail = slices.Clone(seam[max(0, len(seam)-maxSign):])
}

// wholeGenerated is a whole answer of which signs are looked for.
type wholeGenerated struct {
	*wholeAnswer
	signs *signs
}

func newWholeGenerated(usage generateUsage) wholeGenerated {
	seen := &signs{}
	return wholeGenerated{newWholeAnswer(func(members *memberScanner) reading {
		u := usage
		u.usage, u.model = members.member("usageMetadata"), members.member("modelVersion")
		u.spoke, u.searched = seen.spoke, seen.searched
		return u.reading()
	}, "usageMetadata", "modelVersion"), seen}
}

func (a wholeGenerated) Pass(piece []byte) []byte {
	a.signs.look(piece)
	return a.wholeAnswer.Pass(piece)
}
