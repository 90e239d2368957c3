// Command proxy measures what a call through an enforcer costs, beside floors: a bare Go
// reverse proxy, the same with one question to Redis a call, and a handler that refuses
// everything. All ask one fixed upstream, in one run, in turns that change places from round
// to round, so that whatever else the machine does meets all of them alike. What counts is
// the processor time of each process, as the kernel and Redis tell it, and ratios: absolute
// times are the machine's. Beside that it measures how soon a call is in the ledger, and how
// the calls of many tenants are spread over the masters of a Redis Cluster.
package main
