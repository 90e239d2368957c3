package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets templates
var embedded embed.FS

// asset is a file that pages link to: its name changes with its content, so that browsers may
// keep it for ever.
type asset struct {
	content []byte
	kind    string
}

// assets are the files by their paths, and the paths by the names of the files.
type assets struct {
	byPath map[string]asset
	paths  map[string]string
}

func readAssets(files fs.FS) (assets, error) {
	all := assets{byPath: map[string]asset{}, paths: map[string]string{}}
	entries, err := fs.ReadDir(files, "assets")
	if err != nil {
		return all, err
	}
	for _, entry := range entries {
		content, err := fs.ReadFile(files, "assets/"+entry.Name())
		if err != nil {
			return all, err
		}
		sum := sha256.Sum256(content)
		extension := path.Ext(entry.Name())
		name := assetsRoot + strings.TrimSuffix(entry.Name(), extension) + "." + base64.RawURLEncoding.EncodeToString(sum[:9]) + extension
		all.byPath[name] = asset{content, mime.TypeByExtension(extension)}
		all.paths[entry.Name()] = name
	}
	return all, nil
}

// assetsRoot begins the paths of assets. They are public: readers who have not signed in get
// them, too.
const assetsRoot = "/static/"

// ServeHTTP answers with an asset.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, kept := r.URL.Path, "public, max-age=31536000, immutable"
	if newest, ok := a.paths[strings.TrimPrefix(path, assetsRoot)]; ok {
		path, kept = newest, "public, max-age=300" // for pages that do not know its content
	}
	found, ok := a.byPath[path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", found.kind)
	w.Header().Set("Cache-Control", kept)
	_, _ = w.Write(found.content) // the client may have gone
}
