package dashboard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// static serves the files that pages are made of, by their name.
type static map[string]asset

type asset struct {
	name, tag, contentType string
	content                []byte
}

// Style and icons are named in the pages with what they hold, so that a browser
// keeps them for ever and still takes the next version at once.
var files = readAssets()

func newStatic() http.Handler { return files }

func readAssets() static {
	all := static{}
	for name, contentType := range map[string]string{
		"dashboard.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml", "icon-alert.svg": "image/svg+xml",
	} {
		content, err := fs.ReadFile(assets, "assets/"+name)
		if err != nil {
			panic(err) // it was embedded when this was compiled
		}
		sum := sha256.Sum256(content)
		all[name] = asset{name: name, tag: hex.EncodeToString(sum[:6]), contentType: contentType, content: content}
	}
	return all
}

// url is where the file is served.
func (s static) url(name string) string { return "/static/" + name + "?v=" + s[name].tag }

// ServeHTTP answers with a file. One asked for by the tag that it has is kept for
// a year. Another version asks again next time: while replicas are being replaced,
// the page and its style sheet may come from different ones.
func (s static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, found := s[path.Base(r.URL.Path)]
	if !found || r.URL.Path != "/static/"+file.name {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", file.contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("ETag", fmt.Sprintf("%q", file.tag))
	header.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == file.tag {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, file.name, time.Time{}, bytes.NewReader(file.content))
}
