package alert

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// incoming posts to the URL that a chat gives out for one of its channels, which is a secret.
type incoming struct {
	poster  poster
	secrets secrets
	// receiver is what errors call it.
	receiver string
	// url is where a budget names the URL, and body what is posted there, as JSON.
	url  func(*v1alpha1.Alerts) v1alpha1.SecretKeyRef
	body func(budget *v1alpha1.TenantBudget, d letter) any
}

func (i *incoming) check(ctx context.Context, budget *v1alpha1.TenantBudget) error {
	url, err := i.secrets.read(ctx, budget.Namespace, i.url(budget.Spec.Alerts))
	if err != nil {
		return err
	}
	return i.poster.check(url)
}

func (i *incoming) send(ctx context.Context, budget *v1alpha1.TenantBudget, d letter) error {
	url, err := i.secrets.read(ctx, budget.Namespace, i.url(budget.Spec.Alerts))
	if err != nil {
		return err
	}
	return i.poster.postJSON(ctx, i.receiver, url, i.body(budget, d))
}

// postJSON posts a body as JSON.
func (p poster) postJSON(ctx context.Context, receiver, url string, body any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return p.post(ctx, receiver, url, http.Header{"Content-Type": {"application/json; charset=utf-8"}}, encoded)
}
