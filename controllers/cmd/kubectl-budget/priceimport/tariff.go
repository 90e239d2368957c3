package priceimport

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// tariff are prices by the length of input.
type tariff struct {
	base v1alpha1.PriceList
	long []v1alpha1.LongContextPrices
}

// limits are the bounds of a model.
type limits struct {
	context, output json.Number
	// embedding is whether the model has no output.
	embedding bool
}

// compiled is the model of a row, and what of the row is not in it.
func compiled(name string, limits limits, prices tariff) (v1alpha1.Model, []string, error) {
	model := v1alpha1.Model{Name: name}
	var err error
	if model.ContextWindow, err = toTokens(limits.context); err != nil {
		return model, nil, err
	}
	if limits.embedding {
		prices.base.Output = ""
	} else if model.MaxOutputTokens, err = toTokens(limits.output); err != nil {
		return model, nil, err
	}
	switch {
	case prices.base.Input == "":
		return model, nil, errors.New("it has no price for input")
	case !limits.embedding && prices.base.Output == "":
		return model, nil, errors.New("it has no price for output")
	case !limits.embedding && model.MaxOutputTokens == 0:
		return model, nil, errors.New("it has no limit on its output")
	}
	leftOut := append(prices.dropFree(), prices.align()...)
	if n := len(prices.long); n > 0 && model.ContextWindow > 0 && prices.long[n-1].AboveInputTokens >= model.ContextWindow {
		model.ContextWindow = 0
		leftOut = append(leftOut, "contextWindow: the table has prices for longer input")
	}
	model.Prices = v1alpha1.Prices{PriceList: prices.base, LongContext: prices.long}
	return model, leftOut, nil
}

// dropFree removes prices of 0 beside input that costs something, and reports them: tables write 0
// where there is no price. Cached input without a price of its own costs what input does.
func (t *tariff) dropFree() (leftOut []string) {
	lists := t.lists()
	for _, kind := range optional {
		dropped := false
		for _, list := range lists {
			if isFree(*kind.of(list)) && !isFree(list.Input) {
				*kind.of(list), dropped = "", true
			}
		}
		if dropped {
			leftOut = append(leftOut, kind.name+": a price of 0 beside input that is not free: if it is right, add it by hand")
		}
	}
	return leftOut
}

// lists are the lists of prices of all lengths of input.
func (t *tariff) lists() []*v1alpha1.PriceList {
	lists := []*v1alpha1.PriceList{&t.base}
	for i := range t.long {
		lists = append(lists, &t.long[i].PriceList)
	}
	return lists
}

// align removes prices that are missing for some length of input, and reports them: a call does not
// know beforehand how long it will be.
func (t *tariff) align() (leftOut []string) {
	slices.SortFunc(t.long, func(a, b v1alpha1.LongContextPrices) int {
		return cmp.Compare(a.AboveInputTokens, b.AboveInputTokens)
	})
	for _, kind := range optional {
		if kind.name == "cachedInput" {
			continue // without a price of its own, it has that of input
		}
		lists := t.lists()
		priced := 0
		for _, list := range lists {
			if *kind.of(list) != "" {
				priced++
			}
		}
		if priced == 0 || priced == len(lists) {
			continue
		}
		for _, list := range lists {
			*kind.of(list) = ""
		}
		leftOut = append(leftOut, kind.name+": it has no price for input of every length")
	}
	return leftOut
}

// optional are the kinds of token that a model need not have.
var optional = []struct {
	name string
	of   func(*v1alpha1.PriceList) *v1alpha1.Price
}{
	{"cachedInput", func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CachedInput }},
	{"cacheWrite5m", func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CacheWrite5m }},
	{"cacheWrite1h", func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CacheWrite1h }},
	{"audioInput", func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.AudioInput }},
	{"cachedAudioInput", func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.CachedAudioInput }},
	{"audioOutput", func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.AudioOutput }},
	{"imageOutput", func(l *v1alpha1.PriceList) *v1alpha1.Price { return &l.ImageOutput }},
}
