package change_test

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/change"
)

// TestProvider: a ModelProvider that takes the place of another one, or leaves out what it listed, is told,
// and one that is the same with more models is not.
func TestProvider(t *testing.T) {
	provider := func(change func(*v1alpha1.ModelProviderSpec)) *v1alpha1.ModelProvider {
		p := &v1alpha1.ModelProvider{ObjectMeta: metav1.ObjectMeta{Name: "openai"}, Spec: v1alpha1.ModelProviderSpec{
			Protocol: "OpenAI", Endpoint: "https://api.openai.com/v1", CredentialFile: "openai", Models: []v1alpha1.Model{{Name: "gpt-4o"}, {Name: "gpt-4.1"}},
		}}
		if change != nil {
			change(&p.Spec)
		}
		return p
	}
	const is = "spec: replaces the existing ModelProvider openai, OpenAI at https://api.openai.com/v1 with the credential openai, by "
	const another = ": to keep both, give this one another name"
	const left = ", and this one does not: calls of models that no other ModelProvider lists are refused"
	many := provider(func(s *v1alpha1.ModelProviderSpec) {
		for i := range 7 {
			s.Models = append(s.Models, v1alpha1.Model{Name: fmt.Sprint("m", i)})
		}
	})
	for name, tc := range map[string]struct {
		was, is *v1alpha1.ModelProvider
		want    []string
	}{
		"a new one":     {nil, provider(nil), nil},
		"the same":      {provider(nil), provider(nil), nil},
		"more models":   {provider(nil), many, nil},
		"by default":    {provider(nil), provider(func(s *v1alpha1.ModelProviderSpec) { s.Protocol = "" }), nil},
		"another place": {provider(nil), provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "https://llm.example/v1" }), []string{is + "OpenAI at https://llm.example/v1 with the credential openai" + another}},
		"another key":   {provider(nil), provider(func(s *v1alpha1.ModelProviderSpec) { s.CredentialFile = "" }), []string{is + "OpenAI at https://api.openai.com/v1 without a credential" + another}},
		"another API":   {provider(nil), provider(func(s *v1alpha1.ModelProviderSpec) { s.Protocol = "AzureOpenAI" }), []string{is + "AzureOpenAI at https://api.openai.com/v1 with the credential openai" + another}},
		"a model less":  {provider(nil), provider(func(s *v1alpha1.ModelProviderSpec) { s.Models = s.Models[:1] }), []string{"spec.models: the existing ModelProvider openai lists gpt-4.1" + left}},
		"many less":     {many, provider(nil), []string{"spec.models: the existing ModelProvider openai lists m0, m1, m2, m3, m4 and 2 more" + left}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := change.Provider(tc.was, tc.is); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
