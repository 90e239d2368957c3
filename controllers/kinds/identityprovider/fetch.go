package identityprovider

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/api/issuerclient"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// clusterSource is the source of the keys of the cluster's own issuer.
const clusterSource = "cluster"

// sourceOf is where the fetch of an issuer's keys begins; empty if they are inline.
func sourceOf(issuer v1alpha1.Issuer) string {
	switch {
	case issuer.Cluster:
		return clusterSource
	case issuer.JWKS != "":
		return ""
	}
	return cmp.Or(issuer.JWKSURL, issuerclient.DiscoveryURL(issuer))
}

// fetch fetches the keys if they are due, and puts those that are in force into the document.
// An unreachable issuer is not an error of the reconcile: the status reports it.
func (c *Controller) fetch(ctx context.Context, s *scope) error {
	if s.document == nil {
		return nil // the provider is invalid, or another has the issuer
	}
	issuer := s.Object.Spec.Issuer
	source := sourceOf(issuer)
	s.known(source)
	if source == "" {
		return nil
	}
	failing := meta.IsStatusConditionFalse(s.Object.Status.Conditions, v1alpha1.ConditionKeysFetched)
	isTime := c.fetches.begin(s.Object, s.keys, failing, s.Now)
	if keys, of := c.fetches.last(s.Object); keys != nil && keys.Source == source && (issuer.Cluster || of == issuer.URL) {
		s.keys, s.issuer = keys, of
	}
	if isTime {
		fetched, err := c.keys.Fetch(ctx, issuer)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.fetches.end(s.Object, fetched.MaxAge, err, c.clock.Now())
		if err != nil {
			log.FromContext(ctx).Info("Failed to fetch the keys of an issuer", "source", source, "error", err.Error())
		} else {
			s.take(fetched, source, c.clock.Now())
			c.fetches.remember(s.Object, s.keys, s.issuer)
		}
	}
	s.fetch = c.fetches.standing(s.Object)
	s.fill()
	return nil
}

// known drops the keys and the issuer that the status has if they are not of the issuer in the spec.
func (s *scope) known(source string) {
	issuer := s.Object.Spec.Issuer
	isSame := s.keys != nil && s.keys.Source == source && (issuer.Cluster || s.issuer == issuer.URL)
	if !isSame {
		s.keys = nil
	}
	if !issuer.Cluster || !isSame {
		s.issuer = issuer.URL // empty for the cluster's, which is not known yet
	}
}

// take makes fetched keys the known ones.
func (s *scope) take(fetched Fetched, source string, now time.Time) {
	at := metav1.NewTime(now.UTC().Truncate(time.Second))
	keys := &v1alpha1.FetchedKeys{Source: source, FetchedAt: at, ChangedAt: at, IDs: fetched.IDs, JWKS: string(fetched.Keys)}
	if s.keys != nil && s.keys.JWKS == keys.JWKS {
		keys.ChangedAt = s.keys.ChangedAt
	}
	s.keys = keys
	if s.Object.Spec.Issuer.Cluster {
		s.issuer = fetched.Issuer
	}
}

// fill puts what is known of the issuer into the document.
func (s *scope) fill() {
	if s.Object.Spec.Issuer.Cluster && s.issuer != "" {
		s.document.Issuers = []string{s.issuer}
	}
	if s.keys != nil {
		s.document.Keys = json.RawMessage(s.keys.JWKS)
		s.document.KeysAt = s.keys.ChangedAt.UTC()
	}
}
