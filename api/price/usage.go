package price

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/bursar-dev/bursar/api/money"
)

// Kind is a kind of token that providers bill at a price of its own.
type Kind string

// The kinds of token. They are disjoint: a token is billed as one of them.
const (
	// Input is text, and whatever else is billed as text is, that the provider neither read
	// from its cache nor wrote to it at a price of its own.
	Input Kind = "input"
	// CachedInput is input that the provider read from its cache.
	CachedInput Kind = "cachedInput"
	// CacheWrite5m and CacheWrite1h are input that the provider wrote to its cache,
	// to be kept for five minutes and for an hour.
	CacheWrite5m Kind = "cacheWrite5m"
	CacheWrite1h Kind = "cacheWrite1h"
	// AudioInput is sound, and CachedAudioInput sound that was read from the cache.
	AudioInput       Kind = "audioInput"
	CachedAudioInput Kind = "cachedAudioInput"
	// Output is text, reasoning included.
	Output Kind = "output"
	// AudioOutput is sound, ImageOutput pictures.
	AudioOutput Kind = "audioOutput"
	ImageOutput Kind = "imageOutput"
)

// Kinds are all kinds, those of input first.
func Kinds() []Kind {
	return []Kind{
		Input, CachedInput, CacheWrite5m, CacheWrite1h, AudioInput, CachedAudioInput,
		Output, AudioOutput, ImageOutput,
	}
}

// ServiceTier is how a provider serves a call, with prices of its own: Default, or the
// provider's name of it, such as "flex", "priority" or "batch".
type ServiceTier string

// Default is the service tier of calls that ask for none, whatever the provider's name of it
// ("default", "standard"). The empty ServiceTier means it, too.
const Default ServiceTier = "default"

// MaxTokens is the largest number of tokens of one kind that a call may report.
// More than that is not usage but an error of the provider.
const MaxTokens = 1_000_000_000

// Usage is how many tokens of each kind a call used, in which service tier, and what else
// its price depends on.
// The kinds are disjoint: Input contains none of the other kinds of input.
type Usage struct {
	Input            int64 `json:"input"`
	CachedInput      int64 `json:"cachedInput"`
	CacheWrite5m     int64 `json:"cacheWrite5m,omitempty"`
	CacheWrite1h     int64 `json:"cacheWrite1h,omitempty"`
	AudioInput       int64 `json:"audioInput,omitempty"`
	CachedAudioInput int64 `json:"cachedAudioInput,omitempty"`
	Output           int64 `json:"output"`
	AudioOutput      int64 `json:"audioOutput,omitempty"`
	ImageOutput      int64 `json:"imageOutput,omitempty"`

	// Reasoning is how many of the Output tokens were reasoning. It is not a kind: Output
	// includes it, and is billed for it. It is only for information.
	Reasoning int64 `json:"reasoning,omitempty"`
	// ServiceTier is the service tier in which, as the provider says, it served the call.
	ServiceTier ServiceTier `json:"serviceTier,omitempty"`
	// Billed is what the provider bills for the call, if that is known other than from the
	// prices of its tokens: the provider has said so, or has billed another model. It
	// replaces what the tokens cost. 0 means that they cost what their prices say.
	Billed money.Nanos `json:"billed,omitempty"`
	// Properties are what the provider says of the call that its price depends on.
	Properties Properties `json:"properties,omitempty"`
	// Uses are what the call used that is billed in addition to tokens.
	Uses Uses `json:"uses,omitempty"`
}

// Tokens is how many tokens of a kind were used.
func (u Usage) Tokens(kind Kind) int64 {
	switch kind {
	case Input:
		return u.Input
	case CachedInput:
		return u.CachedInput
	case CacheWrite5m:
		return u.CacheWrite5m
	case CacheWrite1h:
		return u.CacheWrite1h
	case AudioInput:
		return u.AudioInput
	case CachedAudioInput:
		return u.CachedAudioInput
	case Output:
		return u.Output
	case AudioOutput:
		return u.AudioOutput
	case ImageOutput:
		return u.ImageOutput
	}
	return 0
}

// TotalInput is the number of input tokens of all kinds.
func (u Usage) TotalInput() int64 {
	return u.Input + u.CachedInput + u.CacheWrite5m + u.CacheWrite1h + u.AudioInput + u.CachedAudioInput
}

// Total is the number of tokens of all kinds.
func (u Usage) Total() int64 { return u.TotalInput() + u.Output + u.AudioOutput + u.ImageOutput }

// WithoutWrites is the usage if nothing were written to a cache: what was written counts as
// Input.
func (u Usage) WithoutWrites() Usage {
	u.Input, u.CacheWrite5m, u.CacheWrite1h = u.Input+u.CacheWrite5m+u.CacheWrite1h, 0, 0
	return u
}

// ErrUsage is the reason for which Cost refuses a usage that cannot be true.
var ErrUsage = errors.New("usage out of range")

// Validate reports whether every count is between 0 and MaxTokens, Reasoning is at most
// Output, Billed is between 0 and money.Max, and Properties and Uses can be read.
func (u Usage) Validate() error {
	for _, kind := range Kinds() {
		if n := u.Tokens(kind); n < 0 || n > MaxTokens {
			return fmt.Errorf("%w: %d tokens of kind %s", ErrUsage, n, kind)
		}
	}
	if u.Billed < 0 || u.Billed > money.Max {
		return fmt.Errorf("%w: billed at %s", ErrUsage, u.Billed)
	}
	if u.Reasoning < 0 || u.Reasoning > u.Output {
		return fmt.Errorf("%w: %d tokens of reasoning in %d of output", ErrUsage, u.Reasoning, u.Output)
	}
	if _, err := u.Properties.Values(); err != nil {
		return err
	}
	_, err := u.Uses.Counts()
	return err
}

func (u Usage) serviceTier() ServiceTier { return cmp.Or(u.ServiceTier, Default) }
