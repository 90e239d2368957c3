package limiterstore

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/api/documents"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

var (
	//go:embed put.lua
	putLua string
	//go:embed withdraw.lua
	withdrawLua string
	//go:embed release.lua
	releaseLua string
	//go:embed prune.lua
	pruneLua string

	putScript      = redis.NewScript(putLua)
	withdrawScript = redis.NewScript(withdrawLua)
	releaseScript  = redis.NewScript(releaseLua)
	pruneScript    = redis.NewScript(pruneLua)
)

// Documents are the compiled documents that enforcers run, under revisions.
type Documents struct {
	client redis.UniversalClient
	// term is nil where no other process might lead.
	term *term
}

// NewDocuments makes Documents on one Redis, on Sentinel or on Cluster. Only a
// process without rivals may change documents through it; managers, one of which leads,
// use NewLeaderDocuments.
func NewDocuments(client redis.UniversalClient) *Documents { return &Documents{client: client} }

// Put stores a document and returns the revision that contains it: a new one, or
// the one it has when its body is what is stored already.
func (d *Documents) Put(ctx context.Context, id limiterv1.DocumentID, document any) (revision int64, err error) {
	body, err := json.Marshal(document)
	if err != nil {
		return 0, fmt.Errorf("encode document %s: %w", id, err)
	}
	keys := []string{limiterv1.DocumentsKey, limiterv1.ChangesKey, limiterv1.RevisionKey, limiterv1.IncarnationKey}
	answer, err := d.change(ctx, putScript, keys,
		id.String(), body, d.incarnation(), limiterv1.ConfigChannel).Int64Slice()
	if err != nil {
		return 0, fmt.Errorf("put document %s: %w", id, err)
	}
	if isNew := answer[1] == 1; isNew {
		changes.WithLabelValues(string(id.Kind), "put").Inc()
		if id.Kind == limiterv1.TenantDocument {
			_ = d.client.HDel(ctx, limiterv1.LeftRootsKey, id.Name).Err() // only read for tenants without a document
		}
	}
	return answer[0], nil
}

// incarnation is the name of the incarnation to begin if there is none. It is empty for a leader,
// which begins none, so that what was lost can be restored first.
func (d *Documents) incarnation() string {
	if d.term != nil {
		return ""
	}
	return uuid.NewString()
}

// Withdraw removes a document if the object with the UID is the first of its
// sources, and reports whether it did. A document of another object, which has
// taken over the name, stays.
func (d *Documents) Withdraw(ctx context.Context, id limiterv1.DocumentID, uid string) (withdrawn bool, err error) {
	keys := []string{
		limiterv1.DocumentsKey, limiterv1.ChangesKey, limiterv1.RevisionKey, limiterv1.IncarnationKey, limiterv1.ProbeAnswersKey, limiterv1.LeftRootsKey,
	}
	tenant, root := "", ""
	if id.Kind == limiterv1.TenantDocument {
		tenant = id.Name
		if root, err = d.release(ctx, id, uid); err != nil {
			return false, fmt.Errorf("withdraw document %s: %w", id, err)
		}
	}
	withdrawn, err = d.change(ctx, withdrawScript, keys, id.String(), uid, limiterv1.ConfigChannel, tenant, root).Bool()
	if err != nil {
		return false, fmt.Errorf("withdraw document %s: %w", id, err)
	}
	if withdrawn {
		changes.WithLabelValues(string(id.Kind), "withdraw").Inc()
	}
	return withdrawn, nil
}

// release lets the calls of a tenant end whose document is about to be withdrawn. It returns the
// root of the tenant's budget tree; empty if the document is not that of the object with the UID.
func (d *Documents) release(ctx context.Context, id limiterv1.DocumentID, uid string) (root string, err error) {
	documents, err := d.List(ctx, id)
	if err != nil || len(documents) == 0 || !documents[0].OwnedBy(uid) {
		return "", err
	}
	roots, err := d.Roots(ctx, id.Name)
	root, found := roots[id.Name]
	if err != nil || !found {
		return "", err
	}
	return root, unanswered(releaseScript.Run(ctx, d.client, []string{limiterv1.TenantCountersKey(root, id.Name)}).Err())
}

// Observation is a document and the enforcers that are to run it, at one moment.
type Observation struct {
	Fleet
	// Revision is that of the document; zero when there is none.
	Revision int64
	// Sources are the objects that the document was compiled from.
	Sources []limiterv1.Source
	// Body is the document's JSON.
	Body []byte
}

// OwnedBy reports whether the object with the UID is the one that put the document.
func (o Observation) OwnedBy(uid string) bool {
	return len(o.Sources) > 0 && o.Sources[0].UID == uid
}

// Contains reports whether the document was compiled from the generation of the
// object with the UID, and in no part from another.
func (o Observation) Contains(uid string, generation int64) bool {
	isOther := func(s limiterv1.Source) bool { return s.UID == uid && s.Generation != generation }
	return o.From(uid) && !slices.ContainsFunc(o.Sources, isOther)
}

// Applies reports whether the tenant's own part of the document, rather than what it
// inherits, was compiled from the object with the UID.
func (o Observation) Applies(uid string) bool {
	for i, source := range o.Sources {
		if i > 0 && source.Kind == o.Sources[0].Kind {
			return false // the first of an ancestor's part
		}
		if source.UID == uid {
			return true
		}
	}
	return false
}

// From reports whether the document was compiled from any generation of the object
// with the UID.
func (o Observation) From(uid string) bool {
	return slices.ContainsFunc(o.Sources, func(s limiterv1.Source) bool { return s.UID == uid })
}

// Observe reads a document and the live enforcers. No other manager changes what a leader has
// observed for as long as it leads.
func (d *Documents) Observe(ctx context.Context, id limiterv1.DocumentID) (Observation, error) {
	if _, err := d.begun(ctx, ""); err != nil {
		return Observation{}, err
	}
	return observe(ctx, d.client, id.String())
}

// batch is how many documents are read at once, so that no read keeps Redis busy for long.
const batch = 500

// List reads documents without their bodies and without the enforcers that run them. Ids without a
// document are left out.
func (d *Documents) List(ctx context.Context, ids ...limiterv1.DocumentID) ([]Observation, error) {
	var documents []Observation
	for some := range slices.Chunk(ids, batch) {
		read, err := d.list(ctx, some)
		if err != nil {
			return nil, err
		}
		documents = append(documents, read...)
	}
	return documents, nil
}

func (d *Documents) list(ctx context.Context, ids []limiterv1.DocumentID) ([]Observation, error) {
	fields := make([]string, len(ids))
	for i, id := range ids {
		fields[i] = id.String()
	}
	stored, err := d.client.HMGet(ctx, limiterv1.DocumentsKey, fields...).Result()
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", unanswered(err))
	}
	var documents []Observation
	for i, value := range stored {
		raw, _ := value.(string)
		if raw == "" {
			continue
		}
		observation, err := document(raw)
		if err != nil {
			return nil, fmt.Errorf("document %s: %w", ids[i], err)
		}
		observation.Body = nil
		documents = append(documents, observation)
	}
	return documents, nil
}

// TenantNames are the tenants that have a document, in no order.
func (d *Documents) TenantNames(ctx context.Context) ([]string, error) {
	ids, err := d.client.HKeys(ctx, limiterv1.DocumentsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read the names of tenants: %w", unanswered(err))
	}
	var names []string
	for _, id := range ids {
		if name, isTenant := strings.CutPrefix(id, string(limiterv1.TenantDocument)+"/"); isTenant {
			names = append(names, name)
		}
	}
	return names, nil
}

// Owners returns the objects that have put the stored documents.
func (d *Documents) Owners(ctx context.Context) (map[limiterv1.DocumentID]limiterv1.Source, error) {
	owners := map[limiterv1.DocumentID]limiterv1.Source{}
	var cursor uint64
	for {
		found, next, err := d.client.HScan(ctx, limiterv1.DocumentsKey, cursor, "", batch).Result()
		if err != nil {
			return nil, fmt.Errorf("read who has put documents: %w", unanswered(err))
		}
		for i := 0; i+1 < len(found); i += 2 {
			observed, err := document(found[i+1])
			if err != nil {
				return nil, fmt.Errorf("document %s: %w", found[i], err)
			}
			kind, name, _ := strings.Cut(found[i], "/")
			if len(observed.Sources) > 0 {
				owners[limiterv1.DocumentID{Kind: limiterv1.DocumentKind(kind), Name: name}] = observed.Sources[0]
			}
		}
		if cursor = next; cursor == 0 {
			return owners, nil
		}
	}
}

// Incarnation is the name of this life of the configuration; empty if there is none.
func (d *Documents) Incarnation(ctx context.Context) (string, error) {
	incarnation, err := d.client.Get(ctx, limiterv1.IncarnationKey).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read the incarnation of the configuration: %w", unanswered(err))
	}
	return incarnation, nil
}

// Position is the newest change that there is.
func (d *Documents) Position(ctx context.Context) (documents.Position, error) {
	values, err := d.client.MGet(ctx, limiterv1.IncarnationKey, limiterv1.RevisionKey).Result()
	if err != nil {
		return documents.Position{}, fmt.Errorf("read the revision of the configuration: %w", unanswered(err))
	}
	incarnation, _ := values[0].(string)
	number, _ := values[1].(string)
	if incarnation == "" || number == "" {
		return documents.Position{}, nil // nothing was put yet
	}
	revision, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return documents.Position{}, fmt.Errorf("read the revision of the configuration: %w", err)
	}
	return documents.Position{Incarnation: incarnation, Revision: revision}, nil
}

// pruneFrom is how many withdrawn documents there must be among the changes to take them out.
const pruneFrom = 1000

// Prune removes documents that were withdrawn up to a position from the changes, if there are many,
// and returns how many.
func (d *Documents) Prune(ctx context.Context, upTo documents.Position) (pruned int64, err error) {
	pipe := d.client.Pipeline()
	changed, kept := pipe.ZCard(ctx, limiterv1.ChangesKey), pipe.HLen(ctx, limiterv1.DocumentsKey)
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, fmt.Errorf("prune the changes: %w", unanswered(err))
	}
	if changed.Val()-kept.Val() < pruneFrom {
		return 0, nil
	}
	keys := []string{limiterv1.DocumentsKey, limiterv1.ChangesKey, limiterv1.PrunedKey, limiterv1.IncarnationKey}
	for after, more := int64(0), true; more; more = after > 0 {
		answer, err := d.change(ctx, pruneScript, keys, upTo.Incarnation, upTo.Revision, after, batch).Int64Slice()
		if err != nil {
			return pruned, fmt.Errorf("prune the changes: %w", err)
		}
		after, pruned = answer[0], pruned+answer[1]
	}
	return pruned, nil
}

// Roots are the roots of the budget trees in which tenants are by their documents, by
// tenant. Those without a document are left out.
func (d *Documents) Roots(ctx context.Context, tenants ...string) (map[string]string, error) {
	ids := make([]string, len(tenants))
	for i, tenant := range tenants {
		ids[i] = limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: tenant}.String()
	}
	stored, err := d.client.HMGet(ctx, limiterv1.DocumentsKey, ids...).Result()
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", unanswered(err))
	}
	roots := map[string]string{}
	for i, value := range stored {
		raw, _ := value.(string)
		_, body, found := strings.Cut(raw, " ")
		if !found {
			continue
		}
		var document limiterv1.Tenant
		if err := json.Unmarshal([]byte(body), &document); err != nil {
			return nil, fmt.Errorf("document of tenant %s: %w", tenants[i], err)
		}
		roots[tenants[i]] = document.Root()
	}
	return roots, nil
}

// LeftRoots are the roots of the budget trees in which tenants were when their documents were
// withdrawn, by tenant. Those of which no such root is known are left out.
func (d *Documents) LeftRoots(ctx context.Context, tenants ...string) (map[string]string, error) {
	left, err := d.client.HMGet(ctx, limiterv1.LeftRootsKey, tenants...).Result()
	if err != nil {
		return nil, fmt.Errorf("read which trees tenants have left: %w", unanswered(err))
	}
	roots := map[string]string{}
	for i, value := range left {
		if root, found := value.(string); found {
			roots[tenants[i]] = root
		}
	}
	return roots, nil
}

// Tenant is the document of a tenant, if it has one.
func (d *Documents) Tenant(ctx context.Context, name string) (document limiterv1.Tenant, found bool, err error) {
	observed, err := d.Observe(ctx, limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: name})
	if err != nil || observed.Revision == 0 {
		return limiterv1.Tenant{}, false, err
	}
	if err := json.Unmarshal(observed.Body, &document); err != nil {
		return limiterv1.Tenant{}, false, fmt.Errorf("document of tenant %s: %w", name, err)
	}
	return document, true, nil
}

// document reads "<revision> <body>".
func document(stored string) (Observation, error) {
	if stored == "" {
		return Observation{}, nil
	}
	number, body, _ := strings.Cut(stored, " ")
	revision, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return Observation{}, fmt.Errorf("revision %q: %w", number, err)
	}
	var head struct {
		Sources []limiterv1.Source `json:"sources"`
	}
	if err := json.Unmarshal([]byte(body), &head); err != nil {
		return Observation{}, fmt.Errorf("body: %w", err)
	}
	return Observation{Revision: revision, Sources: head.Sources, Body: []byte(body)}, nil
}
