// Package documents reads the compiled configuration from Redis, change by change, for
// both planes: enforcers run it, and managers keep a copy, from which they restore it.
package documents

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// PageSize is how many documents are read at once, so that no read keeps Redis busy for long.
const PageSize = 500

//go:embed changes.lua
var changesLua string

var changesScript = redis.NewScript(changesLua)

// Position is how far the changes were read.
type Position struct {
	// Incarnation is the life of the configuration that the changes belong to. An empty one means that no
	// configuration was found yet.
	Incarnation string
	// Revision is that of the newest change that was read.
	Revision int64
	// Pruned is the revision up to which withdrawn documents were missing from the changes then.
	Pruned int64
}

// Page is the changes after a Position, or the first part of them.
type Page struct {
	// Position is the one after the page.
	Position
	// Complete is whether every document of the incarnation was put when the page was read.
	Complete bool
	// From is the revision that the page follows; 0 when everything is read anew.
	From int64
	// More is whether another page follows.
	More bool
	// Changes are in the order of their revisions.
	Changes []Change
}

// IsEarlier reports whether the page shows that the configuration is in an earlier state than a position. It is
// false if everything is read anew only because of pruning.
func (p Page) IsEarlier(than Position) bool {
	return p.Incarnation == than.Incarnation && p.Revision < than.Revision && p.Pruned <= than.Revision
}

// Change is a document that was put or withdrawn.
type Change struct {
	ID limiterv1.DocumentID
	// Document is "<revision> <body>"; empty when it was withdrawn.
	Document string
}

// Read reads the changes after a position. It reads everything anew if Redis has another incarnation, an
// earlier state of the same one, or one that was pruned beyond the position. If Redis has no configuration, the
// page and its incarnation are empty.
func Read(ctx context.Context, client redis.UniversalClient, after Position) (Page, error) {
	keys := []string{limiterv1.DocumentsKey, limiterv1.ChangesKey, limiterv1.RevisionKey, limiterv1.IncarnationKey, limiterv1.CompleteKey, limiterv1.PrunedKey}
	answer, err := changesScript.Run(ctx, client, keys, after.Incarnation, after.Revision, PageSize, after.Pruned).Slice()
	if err != nil {
		return Page{}, fmt.Errorf("read changes: %w", err)
	}
	page, err := readAnswer(answer)
	if err != nil {
		return Page{}, fmt.Errorf("read changes: %w", err)
	}
	return page, nil
}

func readAnswer(answer []any) (p Page, err error) {
	const head = 6
	if len(answer) < head || (len(answer)-head)%2 != 0 {
		return Page{}, fmt.Errorf("unexpected reply of %d values", len(answer))
	}
	var ok [head]bool
	var complete, more int64
	p.Incarnation, ok[0] = answer[0].(string)
	complete, ok[1] = answer[1].(int64)
	p.From, ok[2] = answer[2].(int64)
	p.Revision, ok[3] = answer[3].(int64)
	more, ok[4] = answer[4].(int64)
	p.Pruned, ok[5] = answer[5].(int64)
	if ok != [head]bool{true, true, true, true, true, true} {
		return Page{}, fmt.Errorf("unexpected reply that starts with %v", answer[:head])
	}
	p.Complete, p.More = complete == 1, more == 1
	for i := head; i < len(answer); i += 2 {
		name, _ := answer[i].(string)
		document, _ := answer[i+1].(string)
		p.Changes = append(p.Changes, Change{ID: idOf(name), Document: document})
	}
	return p, nil
}

// idOf is the id with a name, as DocumentID.String writes it.
func idOf(name string) limiterv1.DocumentID {
	kind, rest, _ := strings.Cut(name, "/")
	return limiterv1.DocumentID{Kind: limiterv1.DocumentKind(kind), Name: rest}
}
