package alert

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// slack posts to a channel's incoming webhook.
type slack struct {
	poster  poster
	secrets secrets
}

func (s *slack) check(ctx context.Context, budget *v1alpha1.TenantBudget) error {
	url, err := s.secrets.read(ctx, budget.Namespace, budget.Spec.Alerts.Slack.URLSecretRef)
	if err != nil {
		return err
	}
	return s.poster.check(url)
}

func (s *slack) send(ctx context.Context, budget *v1alpha1.TenantBudget, d letter) error {
	url, err := s.secrets.read(ctx, budget.Namespace, budget.Spec.Alerts.Slack.URLSecretRef)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"text": "*" + escaped(title(d)) + "*\n" + escaped(strings.Join(messages(d, "• "), "\n")+more(d))})
	if err != nil {
		return err
	}
	return s.poster.post(ctx, "Slack webhook", url, http.Header{"Content-Type": {"application/json; charset=utf-8"}}, body)
}

// escaped is a text in which nothing is a link or a mention.
func escaped(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
