package protocol

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Error is an answer that is an error of Bursar's own, before it has a protocol's shape.
type Error struct {
	// Status is the answer's HTTP status: 4xx or 5xx.
	Status int
	Kind   ErrorKind
	// Code names the error for programs, in snake case, such as "budget_exhausted".
	Code string
	// Param is the parameter of the request that is wrong; empty where none is.
	Param string
	// Title is the same for every error of the code. Message is all there is to say,
	// in sentences for the caller.
	Title, Message string
	// Limit is the limit that refused; nil where none did.
	Limit *LimitMembers
}

// ErrorKind is the class of an Error. Protocols write it in their own terms.
type ErrorKind int

// The kinds.
const (
	// InvalidRequest: the request must be changed before it can succeed.
	InvalidRequest ErrorKind = iota
	// PermissionDenied: the caller is known, and may not call.
	PermissionDenied
	// InsufficientQuota: there is too little money left.
	InsufficientQuota
	// RateLimited: too much was asked for in too short a time, or at once.
	RateLimited
	// ServerError: Bursar or the provider has failed.
	ServerError
)

// LimitMembers is what an Error says of the limit that refused.
type LimitMembers struct {
	// Limit is the limit's name, and Per is whose it is: Tenant, User, Group or Key. Group is the
	// caller's group that it refused, of those with Group.
	Limit string `json:"limit"`
	Per   string `json:"per"`
	Group string `json:"group,omitempty"`
	// The rest is set only for limits of money, with amounts in dollars.
	Period   string     `json:"period,omitempty"`
	ResetsAt *time.Time `json:"resetsAt,omitempty"`
	Amount   string     `json:"amount,omitempty"`
	Spent    string     `json:"spent,omitempty"`
	Held     string     `json:"held,omitempty"`
}

// ProblemDetails are the members that the body of an error has by RFC 9457 ("ProblemDetails Details
// for HTTP APIs"), and those of the limit that refused.
type ProblemDetails struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	*LimitMembers
}

// NewProblemDetails is the error in the members of RFC 9457. Protocols embed it in their bodies.
func NewProblemDetails(err Error) ProblemDetails {
	return ProblemDetails{
		Type:         "urn:bursar:problem:" + strings.ReplaceAll(err.Code, "_", "-"),
		Title:        err.Title,
		Status:       err.Status,
		Detail:       err.Message,
		LimitMembers: err.Limit,
	}
}

// EncodeError is the body of the error in the protocol's shape: one line of JSON,
// without the newline.
func EncodeError(p Protocol, err Error) []byte {
	body, failed := json.Marshal(p.ErrorBody(err))
	if failed != nil {
		panic(fmt.Sprintf("protocol: %s: an error's body cannot be encoded: %v", p.Name(), failed)) // strings, numbers and times of this era
	}
	return body
}
