package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"denwa/gateway"
)

//go:embed page
var pageFiles embed.FS

// asset is a file that comes with the pages.
type asset struct {
	data []byte
	kind string
	hash string
}

// loadAssets reads what the pages' HTML asks for, by name.
func loadAssets() (map[string]asset, error) {
	assets := map[string]asset{}
	entries, err := fs.ReadDir(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		kind := map[string]string{
			".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
		}[path.Ext(e.Name())]
		if kind == "" {
			continue
		}
		data, err := pageFiles.ReadFile("page/" + e.Name())
		if err != nil {
			return nil, err
		}
		assets[e.Name()] = asset{data, kind, hashOf(data)}
	}
	return assets, nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

func (h *Handler) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := h.assets[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	serve(w, r, a)
}

// serve serves what its address names with its hash.
func serve(w http.ResponseWriter, r *http.Request, a asset) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+a.hash+`"`)
	if r.URL.Query().Get("v") == a.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache") // that is: ask whether the tag still holds
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.data))
}

// serveColor serves the stylesheet of an app's colour.
func (h *Handler) serveColor(w http.ResponseWriter, r *http.Request) {
	app := h.sessions.App(r.PathValue("app"))
	if app == nil || app.Pages.Color == "" {
		http.NotFound(w, r)
		return
	}
	data := []byte(colorSheet(app.Pages.Color))
	serve(w, r, asset{data, "text/css; charset=utf-8", hashOf(data)})
}

// colorLink is the address of that, or "".
func colorLink(app *gateway.AppPolicy) string {
	if app.Pages.Color == "" {
		return ""
	}
	return "-/brand/" + app.Name + "/color.css?v=" + hashOf([]byte(colorSheet(app.Pages.Color)))
}

// serveLogo serves the file of an app's logo, as it is now.
func (h *Handler) serveLogo(w http.ResponseWriter, r *http.Request) {
	app := h.sessions.App(r.PathValue("app"))
	if app == nil || app.Pages.Logo == "" {
		http.NotFound(w, r)
		return
	}
	data, err := os.ReadFile(app.Pages.Logo) //nolint:gosec // G703: the operator's own configuration.
	if err != nil {
		h.log.WarnContext(r.Context(), "logo can't be read", "app", app.Name, "error", err)
		http.NotFound(w, r)
		return
	}
	// An SVG could hold a script; as an image it doesn't run, opened by itself it would.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	serve(w, r, asset{data, gateway.LogoType(strings.ToLower(app.Pages.Logo)), hashOf(data)})
}
