package replay

import (
	"math/big"

	"github.com/bursar-dev/bursar/api/money"
)

// ratios are which part of their bounds calls have cost, by model, to estimate the
// cost of calls that were not made.
type ratios map[string]*ratio

type ratio struct{ cost, bound big.Int }

func (r ratios) learn(call PastCall) {
	if call.Bound == 0 {
		return
	}
	of := r[call.Model]
	if of == nil {
		of = &ratio{}
		r[call.Model] = of
	}
	of.cost.Add(&of.cost, big.NewInt(int64(call.Cost)))
	of.bound.Add(&of.bound, big.NewInt(int64(call.Bound)))
}

// estimate is what a call would have cost: the part of its bound that calls of its
// model have cost so far, or all of its bound if there was none.
func (r ratios) estimate(call PastCall) money.Nanos {
	of := r[call.Model]
	if of == nil {
		return call.Bound
	}
	share := new(big.Int).Mul(big.NewInt(int64(call.Bound)), &of.cost)
	share.Add(share, &of.bound).Sub(share, big.NewInt(1)).Quo(share, &of.bound)
	if !share.IsInt64() {
		return call.Bound
	}
	return min(call.Bound, money.Nanos(share.Int64()))
}
