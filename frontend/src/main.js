// Entry of every page: styles, htmx, and the small modules that listen for what pages declare in attributes.
import "./css/index.css";
import "virtual:slots.css";
import "htmx.org/dist/htmx.esm.js";
import "./js/board.js";
import "./js/calendar.js";
import "./js/dialogs.js";
import "./js/forms.js";
import "./js/hotkeys.js";
import "./js/mentions.js";
import "./js/palette.js";
import "./js/popovers.js";
import "./js/requests.js";
import "./js/selection.js";
import "./js/small.js";
import "./js/theme.js";
import "./js/toasts.js";
import "./js/widgets.js";
