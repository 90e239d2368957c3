package protocol

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/price"
)

// generateKnown are the members of a usage of generateContent.
var generateKnown = knownMembers{
	"promptTokenCount": counted, "cachedContentTokenCount": counted, "candidatesTokenCount": counted, "thoughtsTokenCount": counted,
	"toolUsePromptTokenCount": counted, "totalTokenCount": counted, "trafficType": counted, "serviceTier": counted,
	"promptTokensDetails": generateModalities, "cacheTokensDetails": generateModalities, "candidatesTokensDetails": generateModalities,
	"toolUsePromptTokensDetails": generateModalities,
}.plus(costKnown)

// generateModalities divide a count, which is billed as the reader has it.
var generateModalities = knownMembers{"tokenCount": counted, "modality": neutral}

// generateUsage is what the usage of an answer is judged by. It holds nothing of the request.
type generateUsage struct {
	bill bill
	// searches is whether a search was asked for that the model has a fee for.
	searches bool

	usage, model    gjson.Result
	spoke, searched bool
	// wrong is what is wrong with the usage as it stands in the answer.
	wrong string
}

// reading reads a usage, in which numbers that are 0 may be absent, except for that of the
// prompt. Cached tokens are contained in the prompt's; thoughts, and what was read for tools,
// are not contained in anything.
func (u generateUsage) reading() reading {
	n := numbers{of: u.usage, doubt: u.wrong}
	prompt, cached := n.must("promptTokenCount"), n.may("cachedContentTokenCount")
	candidates, thoughts, tools := n.may("candidatesTokenCount"), n.may("thoughtsTokenCount"), n.may("toolUsePromptTokenCount")
	// Without a total, an answer without candidates may be one without usage.
	if total := u.usage.Get("totalTokenCount"); total.Type == gjson.Null {
		n.must("candidatesTokenCount")
	} else if all, parts := n.must("totalTokenCount"), prompt+tools+thoughts+candidates; all < parts {
		n.doubtOf("its totalTokenCount is %d, and its parts are %d", all, parts)
	} else {
		candidates += all - parts
	}
	audio, cachedAudio := n.modality("promptTokensDetails", "AUDIO"), n.modality("cacheTokensDetails", "AUDIO")
	spoken, pictures := n.modality("candidatesTokensDetails", "AUDIO"), n.modality("candidatesTokensDetails", "IMAGE")
	used := price.Usage{
		Input:       prompt - cached - (audio - cachedAudio) + tools,
		CachedInput: cached - cachedAudio, AudioInput: audio - cachedAudio, CachedAudioInput: cachedAudio,
		Output: candidates - spoken - pictures + thoughts, AudioOutput: spoken, ImageOutput: pictures,
		Reasoning: thoughts, ServiceTier: u.servedIn(&n),
	}
	if u.searches && u.searched {
		used.Uses = oneSearch
	}
	return u.bill.judge(&n, statement{usage: u.usage, known: generateKnown, used: used, model: u.model, spoke: u.spoke})
}

// oneSearch is a prompt that was answered by searching: however many searches that takes, it
// is billed once.
var oneSearch = price.UsesOf(map[string]int64{googleSearchFee: 1})

// usualTraffic are the kinds of traffic that are billed as usual, or were paid for beforehand. Of
// others, what follows onDemand is the service tier.
var usualTraffic = []string{"", "TRAFFIC_TYPE_UNSPECIFIED", "ON_DEMAND", "PROVISIONED_THROUGHPUT"}

const onDemand = "ON_DEMAND_"

// servedIn is the tier in which the call was served: Vertex AI tells it by the kind of traffic.
func (u generateUsage) servedIn(n *numbers) price.ServiceTier {
	tier, traffic := u.usage.Get("serviceTier"), u.usage.Get("trafficType")
	if tier.Type == gjson.String {
		tier.Str = strings.ToLower(strings.TrimPrefix(tier.Str, "SERVICE_TIER_"))
	}
	switch {
	case traffic.Type != gjson.String:
	case slices.Contains(usualTraffic, traffic.Str):
		traffic = gjson.Result{}
	default:
		traffic.Str = strings.ToLower(strings.TrimPrefix(traffic.Str, onDemand))
	}
	return u.bill.tier.served(n.oneTier(tier, traffic))
}

// Signs of what is in an answer. In a string of JSON, no quote stands without a backslash.
var (
	textSign = regexp.MustCompile(`"text"\s{0,32}:\s{0,32}"[^"]|"(functionCall|inlineData|executableCode)"\s{0,32}:\s{0,32}\{`)
	// Of a search, either what was asked or what was found is there.
	searchSign = regexp.MustCompile(`"webSearchQueries"\s{0,8}:\s{0,8}\[\s{0,64}"|"(groundingChunks|groundingSupports)"\s{0,8}:\s{0,8}\[\s{0,64}\{`)
)

// maxSign is the size of the largest sign, in which every character may be an escape.
const maxSign = 128 * len(`\u0000`)

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
		if bytes.Contains(part, asciiEscape) {
			part = appendPlain(nil, part)
		}
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
	return wholeGenerated{newWholeAnswer(usage.bill, "modelVersion", func(members *memberScanner) reading {
		u := usage
		u.usage, u.model = members.member("usageMetadata"), members.member("modelVersion")
		u.spoke, u.searched = seen.spoke, seen.searched
		return u.reading()
	}, "usageMetadata"), seen}
}

func (a wholeGenerated) Pass(piece []byte) []byte {
	a.signs.look(piece)
	return a.wholeAnswer.Pass(piece)
}
