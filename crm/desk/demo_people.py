"""The cast of the demo workspace: a fictional reseller of business information and the firms around it."""

from dataclasses import dataclass

from crm.contacts.kinds import CompanyKind, Importance, Lifecycle


@dataclass(frozen=True, slots=True)
class Firm:
    """A company of the demo: name, town, kind, trade, site, VAT number, staff."""

    name: str
    city: str
    kind: CompanyKind
    industry: str
    website: str
    vat_number: str = ""
    staff: int | None = None


@dataclass(frozen=True, slots=True)
class Character:
    """A person of the demo; `agrees` says whether promotions by e-mail were agreed to, None when never asked."""

    first_name: str
    last_name: str
    firm: int
    title: str
    phone: str = ""
    instagram: str = ""
    importance: Importance = Importance.NORMAL
    lifecycle: Lifecycle = Lifecycle.CUSTOMER
    language: str = "it"
    birthday: str = ""
    agrees: bool | None = None
    tags: tuple[str, ...] = ()


_K = CompanyKind
FIRMS = (
    Firm("Ceramiche Valdarno", "San Giovanni Valdarno", _K.CUSTOMER, "Ceramica", "https://ceramichevaldarno.example", staff=120),
    Firm("Vetreria Lagorai", "Trento", _K.CUSTOMER, "Vetro", "https://vetrerialagorai.example", staff=45),
    Firm("Pastificio Irpino", "Avellino", _K.CUSTOMER, "Alimentare", "https://pastificioirpino.example", staff=80),
    Firm("Studio Ferraris & Conti", "Torino", _K.PARTNER, "Consulenza", "https://ferrarisconti.example", staff=14),
    Firm("Officine Brianza", "Monza", _K.PROSPECT, "Meccanica", "https://officinebrianza.example", staff=210),
    Firm("Cantina Monferrato", "Asti", _K.CUSTOMER, "Vino", "https://cantinamonferrato.example", staff=22),
    Firm("Tessitura Biellese", "Biella", _K.PROSPECT, "Tessile", "https://tessiturabiellese.example", staff=95),
    Firm("Legnami Cadore", "Pieve di Cadore", _K.CUSTOMER, "Legno", "https://legnamicadore.example", staff=31),
    Firm("Trasporti Polesine", "Rovigo", _K.PROSPECT, "Logistica", "https://trasportipolesine.example", staff=64),
    Firm("Grafica Adriatica", "Rimini", _K.CUSTOMER, "Stampa", "https://graficaadriatica.example", staff=18),
    Firm("Il Foglio d’Impresa", "Milano", _K.PRESS, "Giornale", "https://fogliodimpresa.example", staff=12),
    Firm("Northgate Analytics", "London", _K.COMPETITOR, "Business information", "https://northgate.example", staff=400),
)  # fmt: skip

_I, _L = Importance, Lifecycle
PEOPLE = (
    Character("Chiara", "Moretti", 0, "Responsabile acquisti", "+39 339 123 4501", "chiara.moretti.ceramica", _I.KEY, birthday="--04-21", agrees=True, tags=("Fiera Cersaie", "Gold")),
    Character("Paolo", "Landi", 0, "Titolare", "+39 335 123 4502", importance=_I.HIGH, agrees=None),
    Character("Elena", "Zanon", 1, "Direttrice commerciale", "+39 347 123 4503", importance=_I.KEY, birthday="1979-11-25", agrees=True, tags=("Gold",)),
    Character("Matteo", "Dellagiacoma", 1, "Amministrazione", agrees=True),
    Character("Carmela", "Iannaccone", 2, "Titolare", "+39 333 123 4505", "pastificio.irpino", _I.HIGH, agrees=True, tags=("Fiera Cibus",)),
    Character("Gennaro", "De Feo", 2, "Export manager", agrees=False),
    Character("Alberto", "Ferraris", 3, "Socio", "+39 348 123 4507", importance=_I.HIGH, lifecycle=_L.PARTNER, agrees=True),
    Character("Beatrice", "Conti", 3, "Socia", lifecycle=_L.PARTNER, birthday="--02-29", agrees=True),
    Character("Roberto", "Villa", 4, "Direttore acquisti", "+39 340 123 4509", importance=_I.HIGH, lifecycle=_L.PROSPECT),
    Character("Silvia", "Colombo", 4, "Ufficio tecnico", lifecycle=_L.LEAD, agrees=True, tags=("Webinar",)),
    Character("Giovanni", "Bosco", 5, "Enologo", instagram="cantina.monferrato", agrees=True, tags=("Gold",)),
    Character("Irene", "Gallo", 5, "Marketing", "+39 342 123 4512", agrees=True, tags=("Social",)),
    Character("Tommaso", "Sella", 6, "Amministratore delegato", importance=_I.KEY, lifecycle=_L.PROSPECT),
    Character("Federica", "Zegna", 6, "Responsabile credito", "+39 349 123 4514", lifecycle=_L.PROSPECT, agrees=True, tags=("Webinar",)),
    Character("Luigi", "De Lotto", 7, "Titolare", agrees=True),
    Character("Marta", "Olivotto", 7, "Amministrazione", lifecycle=_L.CUSTOMER, agrees=None),
    Character("Andrea", "Rossi", 8, "Responsabile flotta", lifecycle=_L.LEAD, tags=("Webinar",)),
    Character("Sara", "Fabbri", 9, "Titolare", "+39 338 123 4518", "graficaadriatica", _I.HIGH, lifecycle=_L.AMBASSADOR, agrees=True, tags=("Gold", "Social")),
    Character("Davide", "Amati", 9, "Produzione", agrees=True),
    Character("Lucia", "Marchetti", 10, "Giornalista", lifecycle=_L.PRESS, agrees=None, tags=("Stampa",)),
    Character("James", "Whitfield", 11, "Head of sales", lifecycle=_L.PAST, language="en"),
    Character("Niccolò", "Perù", 3, "Praticante", lifecycle=_L.FOLLOWER, instagram="nico.peru", agrees=True, tags=("Social",)),
    Character("Zoë", "D’Amico", 9, "Social media", lifecycle=_L.FOLLOWER, instagram="zoe.damico", agrees=True, tags=("Social",)),
    Character("Anna", "Verdi", 2, "Qualità", lifecycle=_L.CUSTOMER, agrees=True),
)  # fmt: skip

#: (channel kind of exchange, who speaks, words); an exchange is played in order over some days.
EXCHANGES = (
    (("out", "Buongiorno {name}, le mando il listino aggiornato dei report."), ("in", "Grazie, lo guardo con calma questa settimana.")),
    (("in", "Buongiorno, avete anche report sui fornitori tedeschi?"), ("out", "Certo, {name}: arrivano in due giorni lavorativi, con bilancio e protesti."), ("in", "Perfetto, ne proviamo tre.")),
    (("out", "Come promesso, le condizioni riservate per il pacchetto da 50."), ("in", "Ricevute, ne parlo in direzione.")),
    (("in", "Il report di ieri era incompleto, mancava la visura."), ("out", "Ha ragione {name}, mi scuso: gliel’ho appena rimandato completo."), ("in", "Arrivato, tutto a posto.")),
    (("out", "La prossima settimana sono dalle sue parti: un caffè?"), ("in", "Volentieri, mercoledì mattina.")),
)  # fmt: skip
NOTES = (
    "Preferisce essere chiamata dopo le 15.",
    "Decide insieme al titolare, budget a gennaio.",
    "Interessata ai report sull’export in Germania.",
    "Ha chiesto un corso breve per l’ufficio crediti.",
)
COMMENTS = (
    "Bel post, la parte sui ritardi di pagamento è molto utile!",
    "Condiviso con i colleghi, grazie.",
    "Ma i prezzi sono sempre quelli di giugno?",
)
