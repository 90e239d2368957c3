package alert

import (
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// newSlack makes what posts to a channel's incoming webhook.
func newSlack(poster poster, secrets secrets) *incoming {
	return &incoming{
		poster: poster, secrets: secrets, receiver: "Slack webhook",
		url: func(a *v1alpha1.Alerts) v1alpha1.SecretKeyRef { return a.Slack.URLSecretRef },
		body: func(_ *v1alpha1.TenantBudget, d letter) any {
			return map[string]string{"text": "*" + escaped(title(d)) + "*\n" + escaped(strings.Join(messages(d, "• "), "\n")+more(d))}
		},
	}
}

// escaped is a text in which nothing is a link or a mention.
func escaped(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
