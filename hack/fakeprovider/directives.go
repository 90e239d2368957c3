package fakeprovider

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// DirectivesHeader is the request header in which directives may stand.
const DirectivesHeader = "X-Fake-Provider"

// DirectivesHelp describes the directives for people.
const DirectivesHelp = `A request steers its answer by directives, in double square brackets in its last
user message, "Tell me a story [[output=120 delay=10ms]]", or, without brackets,
in the header ` + DirectivesHeader + `:

  output=N     generate N tokens a choice (default: the request's bound, at most 16),
               and never more than the request's bound
  overrun=N    then generate N more, beyond the bound
  input=N      count N input tokens (default: a word each, and four a message), and
               never more than the text has bytes
  cached=N     N of the input tokens come from the cache
  write=N      N of the input tokens are written to the cache, for five minutes
  write1h=N    N of them for an hour
  searches=N   search N times, for the model's fee
  geo=NAME     serve the call in a geography that multiplies its price, if it does
  speed=NAME   the same of a speed
  audio=N      N of the input tokens are sound
  tool=NAME    call that tool of the request's (default: the first), unless the client has
               just run one
  thoughts=N   of the output, or beside it, N tokens are thoughts, within the bound
  tier=NAME    serve the call in another service tier than the request asks for
  words        say words of which each is one token of OpenAI's tokenizers
  size=N       say N bytes more than the tokens do
  first=D      wait for D, such as 200ms, before the first token
  delay=D      wait for D before each further token
  pause        pause the answer until POST /resume
  pause=K      the same, after K tokens
  cut=K        cut the connection after K tokens
  fail=K       report an error within a stream after K tokens
  status=S     answer with the HTTP status S and an error, and bill nothing
  usage=KIND   report no usage (none), or a wrong one: zero, negative, huge, fractional
  unsplit      do not say for how long input was written to the cache
  noend        leave out what says that a stream is at its end, except for Responses'
  blankend     put a blank after what closes a stream of Chat Completions
  place=PLACE  report the usage of Chat Completions' streams in the last choice (choice),
               beside it (finish), or in each chunk (each), if it is asked for
  crlf         end the lines of a stream with CR LF
  comments     put comments between the frames of a stream
  duplicate    send every frame of a stream twice
  split=N      send a stream in pieces of N bytes, wherever that cuts it
  help         answer with this list, as an error
`

// directives steer one answer.
type directives struct {
	output    *int
	overrun   int
	input     *int
	cached    int
	write     int
	write1h   int
	audio     int
	searches  int
	geo       string
	speed     string
	unsplit   bool
	noend     bool
	blankend  bool
	place     usagePlace
	thoughts  int
	tier      string
	tool      string
	words     bool
	size      int
	duplicate bool
	first     time.Duration
	delay     time.Duration
	pause     *int
	cut       *int
	fail      *int
	status    int
	usage     usageKind
	crlf      bool
	comments  bool
	split     int
}

type usageKind string

const (
	usageTrue       usageKind = ""
	usageNone       usageKind = "none"
	usageZero       usageKind = "zero"
	usageNegative   usageKind = "negative"
	usageHuge       usageKind = "huge"
	usageFractional usageKind = "fractional"
)

var bracketed = regexp.MustCompile(`\[\[([^\[\]]*)\]\]`)

// parseDirectives reads those of the header, then those of the prompt.
func parseDirectives(header http.Header, prompt string) (d directives, err error) {
	words := strings.Fields(header.Get(DirectivesHeader))
	for _, match := range bracketed.FindAllStringSubmatch(prompt, -1) {
		words = append(words, strings.Fields(match[1])...)
	}
	for _, word := range words {
		if word == "help" {
			return directives{}, askedForHelp{}
		}
		if err := d.set(word); err != nil {
			return directives{}, fmt.Errorf("directive %q: %w:\n\n%s", word, err, DirectivesHelp)
		}
	}
	return d, nil
}

// askedForHelp is the error of a request that asks for a list of the directives.
type askedForHelp struct{}

func (askedForHelp) Error() string { return DirectivesHelp }

// flags are the directives without a value.
func (d *directives) flags() map[string]*bool {
	return map[string]*bool{
		"unsplit": &d.unsplit, "noend": &d.noend, "blankend": &d.blankend, "words": &d.words, "duplicate": &d.duplicate,
		"crlf": &d.crlf, "comments": &d.comments,
	}
}

// numbers are the directives whose value is any number.
func (d *directives) numbers() map[string]*int {
	return map[string]*int{
		"overrun": &d.overrun, "cached": &d.cached, "write": &d.write, "write1h": &d.write1h, "searches": &d.searches,
		"audio": &d.audio, "thoughts": &d.thoughts,
	}
}

// texts are the directives whose value is any text.
func (d *directives) texts() map[string]*string {
	return map[string]*string{"geo": &d.geo, "speed": &d.speed, "tier": &d.tier, "tool": &d.tool}
}

func (d *directives) set(word string) (err error) {
	name, value, hasValue := strings.Cut(word, "=")
	if flag := d.flags()[name]; flag != nil {
		*flag = true
		return nil
	}
	if number := d.numbers()[name]; number != nil {
		return assign(number, value)
	}
	if text := d.texts()[name]; text != nil {
		*text = value
		return nil
	}
	switch name {
	case "output":
		d.output, err = count(value)
	case "input":
		d.input, err = count(value)
	case "place":
		d.place, err = parseUsagePlace(value)
	case "size":
		err = assign(&d.size, value)
	case "first":
		d.first, err = time.ParseDuration(value)
	case "delay":
		d.delay, err = time.ParseDuration(value)
	case "pause":
		if !hasValue {
			value = "0"
		}
		d.pause, err = count(value)
	case "cut":
		d.cut, err = count(value)
	case "fail":
		d.fail, err = count(value)
	case "status":
		if err = assign(&d.status, value); err == nil && (d.status < 400 || d.status > 599) {
			err = errors.New("want a status from 400 to 599")
		}
	case "usage":
		d.usage, err = parseUsageKind(value)
	case "split":
		if err = assign(&d.split, value); err == nil && d.split == 0 {
			err = errors.New("want at least 1")
		}
	default:
		err = errors.New("is none of these")
	}
	return err
}

func assign(to *int, value string) error {
	n, err := count(value)
	if err == nil {
		*to = *n
	}
	return err
}

func count(value string) (*int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return nil, errors.New("want a number, 0 or more")
	}
	return &n, nil
}

func parseUsageKind(value string) (usageKind, error) {
	switch kind := usageKind(value); kind {
	case usageNone, usageZero, usageNegative, usageHuge, usageFractional:
		return kind, nil
	}
	return "", errors.New("want none, zero, negative, huge or fractional")
}

// usagePlace is where a stream of Chat Completions has its usage. If it is empty, the usage
// is in a chunk of its own at the end.
type usagePlace string

const (
	inChoice     usagePlace = "choice"
	besideFinish usagePlace = "finish"
	inEach       usagePlace = "each"
)

func parseUsagePlace(value string) (usagePlace, error) {
	switch place := usagePlace(value); place {
	case inChoice, besideFinish, inEach:
		return place, nil
	}
	return "", errors.New("want choice, finish or each")
}

// is reports whether the directive names this number of tokens.
func is(directive *int, tokens int) bool { return directive != nil && *directive == tokens }
