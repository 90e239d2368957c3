package pages

import (
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/console/api"
)

func dollarsOf(nanos int64) api.Money {
	return api.Money{USD: money.Nanos(nanos).String(), Nanos: nanos}
}

func added(a, b api.Money) api.Money { return dollarsOf(a.Nanos + b.Nanos) }

// plus adds up sums, as far as pages show them.
func plus(a, b api.Sums) api.Sums {
	a.Calls += b.Calls
	a.Refused += b.Refused
	a.Tokens = api.Tokens{
		Input: a.Tokens.Input + b.Tokens.Input, CachedInput: a.Tokens.CachedInput + b.Tokens.CachedInput,
		CacheWrite5m: a.Tokens.CacheWrite5m + b.Tokens.CacheWrite5m, CacheWrite1h: a.Tokens.CacheWrite1h + b.Tokens.CacheWrite1h,
		AudioInput: a.Tokens.AudioInput + b.Tokens.AudioInput, CachedAudioInput: a.Tokens.CachedAudioInput + b.Tokens.CachedAudioInput,
		Output: a.Tokens.Output + b.Tokens.Output, AudioOutput: a.Tokens.AudioOutput + b.Tokens.AudioOutput,
		ImageOutput: a.Tokens.ImageOutput + b.Tokens.ImageOutput, Reasoning: a.Tokens.Reasoning + b.Tokens.Reasoning,
	}
	a.Cost, a.Held, a.Estimated = added(a.Cost, b.Cost), added(a.Held, b.Held), added(a.Estimated, b.Estimated)
	a.SavedByCache, a.SavedByDowngrade = added(a.SavedByCache, b.SavedByCache), added(a.SavedByDowngrade, b.SavedByDowngrade)
	a.SavedByFallback = added(a.SavedByFallback, b.SavedByFallback)
	return a
}

// saved is what caching and the ladder saved.
func saved(s api.Sums) api.Money {
	return dollarsOf(s.SavedByCache.Nanos + s.SavedByDowngrade.Nanos + s.SavedByFallback.Nanos)
}

// cheaper is what was saved by models that are cheaper than those asked for, as the ladder and its fallbacks
// choose them.
func cheaper(s api.Sums) api.Money { return added(s.SavedByDowngrade, s.SavedByFallback) }

// tokens are all tokens.
func tokens(s api.Sums) int64 {
	t := s.Tokens
	return t.Input + t.CachedInput + t.CacheWrite5m + t.CacheWrite1h + t.AudioInput + t.CachedAudioInput + t.Output + t.AudioOutput + t.ImageOutput
}
