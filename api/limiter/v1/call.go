package limiterv1

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/bursar-dev/bursar/api/money"
)

// OpenCall is what a session stores about a call in Redis, for those who must end it or count
// it should the session die. The enforcers' ledger entries contain it.
type OpenCall struct {
	CallID string `json:"callID"`
	// Tenant, User and Tier are the caller's.
	Tenant string `json:"tenant"`
	User   string `json:"user"`
	Tier   string `json:"tier,omitempty"`
	// Credential is the name of the caller's API key, "namespace/name", and never the key
	// itself; empty for a caller with a token.
	Credential string `json:"credential,omitempty"`
	// Groups are the caller's, sorted, and each is there once; Labels are its labels.
	Groups []string          `json:"groups,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// Model is the model that the call was bound for, as the price list names it.
	Model string `json:"model,omitempty"`
	// Root is the root of the tenant's budget tree when the call was admitted.
	Root string `json:"root,omitempty"`
	// Ancestors are the other tenants whose limits the call counts against, nearest first.
	Ancestors []string `json:"ancestors,omitempty"`
	// Share says that this is not a call but money that is held beforehand, for calls that are
	// admitted while the store is lost.
	Share bool `json:"share,omitempty"`
	// Probe says that this is a probe and not a caller's call: it ends without cost, and is
	// not for the ledger.
	Probe bool `json:"probe,omitempty"`
	// Tokens is the bound of the call's tokens.
	Tokens int64 `json:"tokens,omitempty"`
	// Counters are the counters that count the open call: those of the tenant, of its
	// owners there, then of the ancestors, nearest first. So ending the call needs no
	// configuration, which may have changed since.
	Counters []CallCounters `json:"counters,omitempty"`
}

// Caller is who makes the call.
func (c OpenCall) Caller() Caller {
	return Caller{User: c.User, Key: c.Credential, Tier: c.Tier, Groups: c.Groups, Labels: c.Labels}
}

// CallCounters are the counters of a tenant, or of one owner in it, that a call is counted in.
type CallCounters struct {
	Tenant string `json:"tenant"`
	Owner
	// Money are the fields that hold the call's bound.
	Money []string `json:"money,omitempty"`
	// InFlight are the fields of the buckets that get a unit back when the call ends.
	InFlight []string `json:"inFlight,omitempty"`
}

// CallRecord is the value of a call in a session's calls.
type CallRecord struct {
	// Settled tells a settled call from an open one.
	Settled bool
	// Amount is the bound of an open call, the cost of a settled one.
	Amount money.Nanos
	// AdmittedAt is when the call was admitted, by the clock of Redis.
	AdmittedAt time.Time
	// Body is what the session wrote.
	Body []byte
}

// OpenCall is the part of the body that is needed to end or count the call. It fails for a
// voided call, whose body is empty.
func (r CallRecord) OpenCall() (call OpenCall, err error) {
	if err := json.Unmarshal(r.Body, &call); err != nil {
		return OpenCall{}, fmt.Errorf("%w: %w", ErrCallRecord, err)
	}
	return call, nil
}

const (
	heldLetter, settledLetter = 'H', 'S'
	callHeaderSize            = 1 + 2*8
)

// ErrCallRecord means that a value in a session's calls is not a valid record.
var ErrCallRecord = errors.New("invalid record of a call")

// DecodeCallRecord reads a record as it is stored in Redis: the letter H or S, two
// little-endian doubles (nano-USD, milliseconds since the Unix epoch), and the body.
func DecodeCallRecord(raw []byte) (CallRecord, error) {
	body, settled, err := BodyOfCallRecord(raw)
	if err != nil {
		return CallRecord{}, err
	}
	amount, isAmount := wholeNumber(raw[1:])
	admittedAt, isTime := wholeNumber(raw[1+8:])
	if !isAmount || !isTime {
		return CallRecord{}, ErrCallRecord
	}
	return CallRecord{
		Settled:    settled,
		Amount:     money.Nanos(amount),
		AdmittedAt: time.UnixMilli(admittedAt).UTC(),
		Body:       body,
	}, nil
}

// BodyOfCallRecord reads the body that the session wrote, and whether the call was settled,
// from a record whose numbers cannot be right.
func BodyOfCallRecord(raw []byte) (body []byte, settled bool, err error) {
	if len(raw) < callHeaderSize || raw[0] != heldLetter && raw[0] != settledLetter {
		return nil, false, ErrCallRecord
	}
	return raw[callHeaderSize:], raw[0] == settledLetter, nil
}

// wholeNumber reads a double that is whole, and in the range that the scripts write.
func wholeNumber(raw []byte) (n int64, ok bool) {
	number := math.Float64frombits(binary.LittleEndian.Uint64(raw))
	if !(number >= 0 && number <= float64(UnknownAmount)) || number != math.Trunc(number) { // also false for NaN
		return 0, false
	}
	return int64(number), true
}

// Encode is the record as it stands in Redis.
func (r CallRecord) Encode() []byte {
	raw := make([]byte, 1, callHeaderSize+len(r.Body))
	raw[0] = heldLetter
	if r.Settled {
		raw[0] = settledLetter
	}
	raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(float64(r.Amount)))
	raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(float64(r.AdmittedAt.UnixMilli())))
	return append(raw, r.Body...)
}
