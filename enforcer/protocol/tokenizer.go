package protocol

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

const (
	// maxTokenized is how many bytes of a request's text are tokenized at most, which
	// takes a core 5 to 10 ms. The rest is bounded by its length.
	maxTokenized = 16 << 10
	// longestWord is how many bytes of a word are tokenized at most: what a tokenizer
	// takes for a word may grow with the square of its length.
	longestWord = 256
)

// tokenizers are those whose vocabulary is known. Each takes 65 ms and 6 MiB at the
// most when it is first used.
var tokenizers = map[limiterv1.Tokenizer]func() *codec.Codec{
	limiterv1.O200kBase:  sync.OnceValue(codec.NewO200kBase),
	limiterv1.CL100kBase: sync.OnceValue(codec.NewCl100kBase),
}

// boundText is the most tokens of what a model reads that have a byte of the text in
// them, whatever stands before and after it, by a tokenizer of OpenAI's.
//
// Such a tokenizer cuts what it reads into pieces by a regular expression, and each
// piece, by itself, into tokens. Concatenating two texts can make more tokens of them
// than they have alone, as pieces are then cut elsewhere: digits by threes, say. But
// two things are so in both of the expressions:
//
//   - No piece has a space after a character that is not white: a space begins a
//     piece, or has only white before it. A piece therefore begins with each space that
//     comes after such a character, in any text: a word begins there.
//   - They look behind nothing, and ahead only of white. What is cut from the
//     beginning of a word to that of the next one is therefore the word's alone.
//
// So the tokens of a word do not depend on what is around it, and those of words one
// after another are the sum. What is before the first word, and the last one, whose
// end is not in the text, have a token a byte at the most, as all text has. So do:
//
//   - words that are long, for the sake of time;
//   - words with "<|", where a provider may read a special token;
//   - words with characters that two versions of an expression may treat differently:
//     those that are not graphic, such as what Unicode will give a meaning one day, and
//     the long s, which some take for an s in what they cut off after an apostrophe. The
//     library loses one of these, U+007F, altogether.
func boundText(tokenizer *codec.Codec, text string) int64 {
	if strings.ContainsRune(text, utf8.RuneError) { // half a surrogate pair, which others read otherwise
		return int64(len(text))
	}
	start := nextWord(text, 0)
	bound := int64(start)
	for start < len(text) {
		end := nextWord(text, start+1)
		bound += boundWord(tokenizer, text[start:end], end == len(text))
		start = end
	}
	return bound
}

// nextWord is where the first word begins that begins at or after from; the end of the
// text if there is none.
func nextWord(text string, from int) int {
	for i := max(from, 1); i < len(text); i++ {
		if text[i] != ' ' {
			continue
		}
		if before, _ := utf8.DecodeLastRuneInString(text[:i]); unicode.IsGraphic(before) && !unicode.IsSpace(before) {
			return i
		}
	}
	return len(text)
}

// boundWord is the most tokens of a word, whose end may not be in the text.
func boundWord(tokenizer *codec.Codec, word string, open bool) int64 {
	if !open && len(word) <= longestWord && !strings.Contains(word, "<|") && isPlain(word) {
		if tokens, err := tokenizer.Count(word); err == nil {
			return int64(tokens)
		}
	}
	return int64(len(word))
}

// isPlain reports whether every version of an expression treats a word alike.
func isPlain(word string) bool {
	return strings.IndexFunc(word, func(r rune) bool {
		return !unicode.IsGraphic(r) && r != '\n' && r != '\r' && r != '\t' || r == 'ſ'
	}) < 0
}
