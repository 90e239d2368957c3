package limiterv1

import (
	"hash/fnv"
	"time"
)

// Shards is the number of hash tags over which the state of tenants is spread.
// It is part of the layout: changing it moves every tenant.
const Shards = 256

// Keys of the compiled configuration and of the enforcers' sessions. They share
// the hash tag {config}, and so one slot of a Redis Cluster.
const (
	// DocumentsKey is a hash: DocumentID -> "<revision> <JSON body>".
	DocumentsKey = "bursar:{config}:documents"
	// ChangesKey is a sorted set: DocumentID -> revision of its last change. A
	// withdrawn document stays in it for some minutes at least, without a body in the documents hash.
	ChangesKey = "bursar:{config}:changes"
	// PrunedKey is "<incarnation> <revision>": documents of the incarnation that were withdrawn
	// up to the revision may be missing from the changes.
	PrunedKey = "bursar:{config}:pruned"
	// RevisionKey is the revision of the newest change.
	RevisionKey = "bursar:{config}:revision"
	// IncarnationKey is a random name for one life of the configuration. Revisions
	// of different incarnations do not compare.
	IncarnationKey = "bursar:{config}:incarnation"
	// CompleteKey is the incarnation of which every document was put. If it is not the current one, a
	// credential, a tenant or a model without a document may have one in a moment.
	CompleteKey = "bursar:{config}:complete"
	// TermKey is the random name of the term of the manager that was the last to begin to lead.
	// Documents are changed only in this term.
	TermKey = "bursar:{config}:term"
	// LeftRootsKey is a hash: tenant whose document was withdrawn -> root of the budget tree that it
	// was in. Calls that began there may still end there.
	LeftRootsKey = "bursar:{config}:left-roots"
	// SessionsKey is a sorted set: session -> time of its last heartbeat in
	// milliseconds since the Unix epoch, by the clock of Redis.
	SessionsKey = "bursar:{config}:sessions"
	// SessionStatesKey is a hash: session -> JSON of SessionState.
	SessionStatesKey = "bursar:{config}:session-states"
	// WantedKeysKey is a hash: the name of an IdentityProvider -> anything. An enforcer sets the
	// field when a token of the issuer names a signing key that the document of the
	// IdentityProvider does not have; it must set none of an IdentityProvider that has no
	// document, so that there are never more fields than documents. The leading manager takes
	// fields out every WantedKeysLook, and fetches the issuer's keys, for this cause at most
	// once in WantedKeysPause of each IdentityProvider. The document changes only if the keys have.
	WantedKeysKey = "bursar:{config}:wanted-keys"
	// KeyUsesKey is a sorted set: CredentialName of an API key -> the Unix time in seconds of its
	// last use, in whole KeyUseQuantum. Enforcers only raise it, each at most once a
	// KeyUseQuantum for each key. The leading manager drops what is older than KeyUsesKept.
	KeyUsesKey = "bursar:{config}:key-uses"
	// TriedKey is a string that says nothing. The leading manager writes it, for some seconds, to
	// see whether Redis takes writes.
	TriedKey = "bursar:{config}:tried"
)

// The times of KeyUsesKey.
const (
	KeyUseQuantum = time.Hour
	KeyUsesKept   = 48 * time.Hour
)

// The times of WantedKeysKey.
const (
	WantedKeysLook  = 250 * time.Millisecond
	WantedKeysPause = time.Minute
)

// Channels of Redis' publish/subscribe. A message is a hint to look now rather than later: if it is
// lost, things happen later, but in the same way.
const (
	// ConfigChannel carries the revision of each change of the configuration, and
	// "epoch" when the epoch has changed.
	ConfigChannel = "bursar:config"
	// FeedChannel carries news for the control plane: "tenant <name> <name>..." when a call
	// of the first tenant has taken spent past a rung of its ladder, or of one of its
	// ancestors, which follow; "session <id>" when an enforcer came, went, or began to run
	// another revision; "epoch <number>" when the epoch has changed.
	FeedChannel = "bursar:feed"
	// FeedTenant, FeedSession and FeedEpoch are the first words of the messages on
	// FeedChannel.
	FeedTenant  = "tenant"
	FeedSession = "session"
	FeedEpoch   = "epoch"
)

// Shard is the number of the shard that holds the state of the budget tree with
// the root, in [0, Shards).
func Shard(root string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(root))
	return h.Sum32() % Shards
}

// TenantCountersKey is the hash of the counters that count a whole tenant of the
// budget tree with the root.
func TenantCountersKey(root, tenant string) string {
	return shardKey(Shard(root), "tenant", tenant)
}

// EpochField is the field of a tenant's counters that says under which epoch they
// are valid: Epoch.Token, or something else while they are being set.
const EpochField = "epoch"

// EstimatedField is a field of a tenant's counters that is set while they include the bound of
// an open call whose end is not posted to them, because it was admitted before the limit existed
// or in another budget tree. Once the call has ended, they say too much until they are
// recounted.
const EstimatedField = "estimated"

// SeqField is the field of a tenant's counters with the number of calls that were
// admitted by them: a packed double that only grows during an epoch. If it is smaller
// than it once was, the data of Redis has gone back.
const SeqField = "seq"

// CallsKey is the hash of the calls that a session has open, or settled and not
// yet in the ledger, in a shard: call id -> record. A record is a letter, H for
// held or S for settled, two packed doubles, and what the session wrote.
func CallsKey(shard uint32, session string) string {
	return shardKey(shard, "calls", session)
}

// FencedField is the field of a session's calls that is set once the session has
// been declared dead: its scripts are refused from then on.
const FencedField = "fenced"

// FenceTime is how long a session that was declared dead is refused, in case it was only paused.
const FenceTime = 24 * time.Hour

// FenceKey exists while a session that was declared dead is refused: its heartbeats no longer count.
func FenceKey(session string) string { return "bursar:{config}:fence:" + session }

// AdopterKey holds the session that adopts the calls of a dead one.
func AdopterKey(session string) string { return "bursar:{config}:adopter:" + session }

// IdempotencyKey is the claim of a call of the tenant to a name: JSON, until its window ends. name is
// a hash of the name.
func IdempotencyKey(tenant, name string) string {
	return shardKey(Shard(tenant), "idempotency", name)
}

func shardKey(shard uint32, parts ...string) string {
	// On every call's path, so it allocates once.
	const digits = "0123456789"
	key := make([]byte, 0, 64)
	key = append(key, "bursar:{"...)
	key = append(key, digits[shard/100%10], digits[shard/10%10], digits[shard%10], '}')
	for _, part := range parts {
		key = append(append(key, ':'), part...)
	}
	return string(key)
}
