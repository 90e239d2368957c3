package litellm

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// File is something to read, and its name for people.
type File struct {
	Name    string
	Content io.Reader
}

// Options say what is read, and how it is carried over.
type Options struct {
	// Configs are LiteLLM's config.yaml and those that it includes.
	Configs []File
	// Teams, Keys, Users and Budgets are answers of its API, in JSON, page by page: /team/list,
	// /key/list?return_full_object=true, /user/list, /budget/list.
	Teams, Keys, Users, Budgets []File
	// Prices is LiteLLM's model_prices_and_context_window.json, for models without prices of
	// their own; nil for none.
	Prices *File
	// Tenant pays for keys without a team, and is the parent of all teams if the whole proxy has a
	// budget.
	Tenant string
	// IdentityProvider issues the tokens with which members of teams sign in; without one, there
	// are no Memberships.
	IdentityProvider string
	// Env looks up environment variables that the configuration names. It is not asked for keys.
	Env func(name string) string
	// Now is the time by which keys count as expired.
	Now time.Time
}

// Result is what LiteLLM's configuration is as Bursar's resources.
type Result struct {
	// Objects are Namespaces, ModelProviders, TenantBudgets, RateLimitPolicies, APIKeys and
	// Memberships, in the order in which they are to be applied.
	Objects []client.Object
	// Notes say, one a line, what is not in them or means something else there.
	Notes []string
	// CredentialFiles are the files with providers' keys that the enforcers need.
	CredentialFiles []string
}

// Import carries over what the files have. The error is about a file that cannot be read at all.
func Import(o Options) (*Result, error) {
	i := &importer{Options: o, namespaces: taken{}, models: map[string]bool{}, accessGroups: map[string][]string{}, tenants: map[string]*tenant{}}
	for _, step := range []func() error{i.readConfigs, i.readBudgets, i.readUsers, i.readTeams, i.readKeys} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return i.result(), nil
}

// importer holds what was read so far.
type importer struct {
	Options
	notes     []string
	providers []*v1alpha1.ModelProvider
	// models are those that can be called, and accessGroups the names by which LiteLLM has several.
	models       map[string]bool
	accessGroups map[string][]string
	virtual      []v1alpha1.VirtualModel
	zone         string
	budgets      map[string]record // by id
	users        map[string]record // by id
	main         *tenant
	tenants      map[string]*tenant // by the id of the team
	ordered      []*tenant
	namespaces   taken
}

// note adds a note about a record.
func (i *importer) note(where, format string, args ...any) {
	i.notes = append(i.notes, where+": "+fmt.Sprintf(format, args...))
}

// noteUnread adds a note for each member of a record that was not read.
func (i *importer) noteUnread(r record, except ...string) {
	for _, name := range r.unread(except...) {
		i.note(r.where, "%s is not carried over", name)
	}
}

func (i *importer) result() *Result {
	result := &Result{Notes: i.notes}
	add := func(objects ...client.Object) { result.Objects = append(result.Objects, objects...) }
	for _, provider := range i.providers {
		add(provider)
		if file := provider.Spec.CredentialFile; file != "" {
			result.CredentialFiles = append(result.CredentialFiles, file)
		}
	}
	for _, t := range i.ordered {
		if len(t.keys) == 0 && len(t.members) == 0 && t == i.main && !t.isParent {
			continue // nobody calls for this tenant
		}
		add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.name}})
		add(t.objects(i)...)
	}
	result.Notes = i.notes
	return result
}

// readAll reads lists of objects in JSON. Each file is such a list, or a page that has it as the
// named member.
func readAll(files []File, member string) (all []record, err error) {
	for _, file := range files {
		raw, err := io.ReadAll(file.Content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name, err)
		}
		var page map[string]json.RawMessage
		if json.Unmarshal(raw, &page) == nil {
			raw = page[member]
		}
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("%s is neither a list in JSON nor an object with %q", file.Name, member)
		}
		for n, item := range list {
			r, err := newRecord(fmt.Sprintf("%s[%d]", file.Name, n), item)
			if err != nil {
				return nil, fmt.Errorf("%w: ask the API with return_full_object=true", err)
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// readYAML reads a file of the configuration.
func readYAML(file File) (record, error) {
	raw, err := io.ReadAll(file.Content)
	if err != nil {
		return record{}, fmt.Errorf("%s: %w", file.Name, err)
	}
	inJSON, err := yaml.YAMLToJSON(raw)
	if err != nil {
		return record{}, fmt.Errorf("%s: %w", file.Name, err)
	}
	return newRecord(file.Name, inJSON)
}

// named adds a name to a record's place, for people.
func (r record) named(name string) record {
	if name != "" {
		r.where += " (" + name + ")"
	}
	return r
}

// environment is the value of "os.environ/NAME", or the text itself, and the variable's name.
func (i *importer) environment(text string) (value, variable string) {
	name, found := strings.CutPrefix(text, "os.environ/")
	if !found {
		return text, ""
	}
	return i.Env(name), name
}
