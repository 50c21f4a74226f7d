"""The table behind `lexicon`: every concept with its words in English and Indonesian.

A row is (concept, category, English, Indonesian). In a cell,
    a comma       parts the synonyms; the first is the canonical one;
    "|"           parts the forms of one synonym. Noun: singular|plural. Verb: he ...s|they ...|...ing|other forms.
                  Indonesian needs one form;
    ";"           opens the words that are understood and never written, because they say a little more or less.

The place of a row is the id of its concept and is stored in trained weights: append rows, never move or remove one.
"""

# ruff: noqa: E501 (a row of a table is one line)
from __future__ import annotations

Row = tuple[str, str, str, str]

ROWS: tuple[Row, ...] = (
    ("<none>", "control", "", ""),  # padding and the empty prompt
    ("<en>", "control", "", ""),  # before every prompt, whatever its language
    ("<id>", "control", "", ""),  # spare: languages are told apart no more
    (",", "punctuation", "", ""),
    (".", "punctuation", "", ""),
    # What things look like.
    ("red", "colours", "red, crimson, scarlet; ruby, cherry", "merah; merah tua, merah menyala"),
    ("orange", "colours", "orange; tangerine, amber", "oranye, jingga; oren, orange"),
    ("yellow", "colours", "yellow; lemon", "kuning"),
    ("green", "colours", "green; emerald", "hijau"),
    ("cyan", "colours", "cyan, turquoise; aqua, teal, light blue, sky blue", "toska, sian; pirus, biru toska, biru muda"),
    ("blue", "colours", "blue; azure, cobalt, sapphire", "biru"),
    ("purple", "colours", "purple, violet", "ungu; violet, lembayung"),
    ("pink", "colours", "pink; rose, magenta", "merah muda, merah jambu; pink, jambon, magenta"),
    ("white", "colours", "white", "putih"),
    ("black", "colours", "black; pitch black", "hitam; hitam legam"),
    ("ball", "shapes", "ball|balls, sphere|spheres, orb|orbs; globe, marble|marbles", "bola; bulatan, kelereng, sferis"),
    ("cube", "shapes", "cube|cubes, box|boxes, block|blocks; crate|crates, dice|die", "kubus, kotak; balok, dadu, peti"),
    ("cylinder", "shapes", "cylinder|cylinders; drum|drums, barrel|barrels, tube|tubes", "silinder, tabung; drum, tong"),
    ("cone", "shapes", "cone|cones; traffic cone|traffic cones", "kerucut; corong"),
    ("pyramid", "shapes", "pyramid|pyramids", "piramida, limas; piramid"),
    ("egg", "shapes", "egg|eggs; ellipsoid|ellipsoids", "telur; telor, elipsoid"),
    ("plank", "shapes", "plank|planks, board|boards; slab|slabs, domino|dominoes|dominos", "papan; bilah papan, domino"),
    ("wall", "props", "wall|walls; barrier|barriers, fence|fences", "tembok, dinding; pagar"),
    ("ramp", "props", "ramp|ramps, slope|slopes; incline|inclines, inclined plane", "bidang miring; landaian, tanjakan, lereng"),
    ("rod", "props", "rod|rods, rope|ropes; string|strings, cord, chain|chains", "batang, tali; benang, rantai"),
    ("matte", "materials", "matte; dull, matt", "doff; matte, kusam, tidak mengilap, tidak mengkilap"),
    (
        "metal",
        "materials",
        "metal, steel; metallic, iron, chrome, shiny, made of metal",
        "logam, baja; besi, metal, metalik, mengilap, mengkilap, mengkilat, dari logam, dari baja, dari besi",
    ),
    ("rubber", "materials", "rubber; rubbery, made of rubber", "karet; dari karet"),
    ("small", "sizes", "small, little, tiny; mini, smaller", "kecil, mungil; kecil sekali, berukuran kecil, ukuran kecil"),
    ("medium", "sizes", "medium, medium-sized; mid-sized, average", "berukuran sedang; ukuran sedang, sedang, menengah"),
    ("large", "sizes", "large, big, huge; giant, enormous, larger, bigger", "besar; raksasa, berukuran besar, ukuran besar"),
    # What happens.
    (
        "still",
        "events",
        "stands still|stand still|standing still, rests|rest|resting|rested, stays still|stay still|staying still; "
        "stands|stand|standing|stood, sits|sit|sitting|sat, lies|lie|lying|lay, remains|remain|remaining, "
        "does not move|do not move|not moving, doesn't move|don't move, motionless, still, static, fixed, locked, "
        "stationary, steady, is placed|are placed|placed",
        "diam, tidak bergerak; berdiri diam, terdiam, berdiri, statis, tetap, tak bergerak, terletak, berdiam, "
        "diam di tempat, tenang, tergeletak, diletakkan",
    ),
    (
        "fall",
        "events",
        "falls|fall|falling|fell|fallen, drops|drop|dropping; is dropped|are dropped|dropped, plummets|plummet, "
        "plunges|plunge|plunging, falls down|fall down|falling down, drops down",
        "jatuh, terjatuh; dijatuhkan, berjatuhan, jatuh ke bawah, menjatuhkan diri, menjatuhkan",
    ),
    (
        "bounce",
        "events",
        "bounces|bounce|bouncing|bounced; hops|hop|hopping, jumps|jump|jumping|jumped, rebounds|rebound|rebounding, "
        "bouncy, bounces up and down|bounce up and down|bouncing up and down, "
        "jumps up and down|jump up and down|jumping up and down",
        "memantul, melambung; pantul, memantul-mantul, terpantul, dipantulkan, melenting, melompat, melompat-lompat, "
        "pantulan, memantulkan",
    ),
    ("roll", "events", "rolls|roll|rolling|rolled", "menggelinding, bergulir; berguling, gelinding, berguling-guling, digelindingkan"),
    (
        "slide",
        "events",
        "slides|slide|sliding|slid, glides|glide|gliding|glided; skids|skid|skidding, slips|slip|slipping",
        "meluncur, bergeser; tergelincir, menggelincir, terseret, luncur",
    ),
    (
        "fly",
        "events",
        "flies|fly|flying|flew|flown, soars|soar|soaring|soared; is thrown|are thrown|thrown, throws|throw|throwing, "
        "is tossed|tossed|tosses|toss, sails|sail, is launched|launched, flies through the air|flying through the air",
        "terbang, melayang; dilempar, dilemparkan, terlempar, lempar, melempar, beterbangan, diluncurkan",
    ),
    (
        "hit",
        "events",
        "hits|hit|hitting, strikes|strike|striking|struck, crashes into|crash into|crashing into|crashed into; "
        "bumps into|bump into|bumping into, bumps|bump, collides with|collide with|colliding with, slams into, "
        "collides|collide|colliding|collided, smashes into|smash into, crashes|crash|crashing, pushes|push|pushing, "
        "knocks|knock|knocking, runs into, collision, rams, hits against, impacts, bounces into, rolls into",
        "menabrak, membentur, mengenai; menubruk, bertabrakan, berbenturan, bertumbukan, menghantam, menyenggol, "
        "tabrakan, mendorong, tabrak, bertabrakan dengan, menumbuk, saling bertabrakan",
    ),
    (
        "topple",
        "events",
        "topples|topple|toppling|toppled, tips over|tip over|tipping over|tipped over; falls over|fall over|falling over, "
        "tumbles|tumble|tumbling, collapses|collapse|collapsing, topples over|topple over|toppling over, "
        "is knocked over|are knocked over|knocked over, tumbles down|tumble down",
        "roboh, tumbang; terguling, ambruk, runtuh, berjatuhan roboh, jatuh terguling",
    ),
    (
        "pass",
        "events",
        "passes|pass|passing|passed, crosses|cross|crossing; past, "
        "passes by|pass by|passing by",
        "melintas, lewat; melewati, melintasi, melalui",
    ),
    (
        "appear",
        "events",
        "comes out|come out|coming out|came out, reappears|reappear|reappearing; emerges|emerge|emerging, "
        "appears|appear|appearing, appears again, comes back out",
        "muncul kembali, muncul lagi; muncul, tampak lagi, keluar, keluar lagi, timbul",
    ),
    (
        "swing",
        "events",
        "swings|swing|swinging|swung, sways|sway|swaying; pendulum, back and forth, from side to side, hangs|hang|hanging|hung, swings back and forth, "
        "swinging back and forth, is suspended|suspended, dangles|dangling",
        "berayun, terayun; berayun-ayun, mengayun, bandul, pendulum, tergantung, menggantung, digantung, bergelantungan",
    ),
    (
        "spin",
        "events",
        "spins|spin|spinning|spun, rotates|rotate|rotating|rotated; twirls|twirl|twirling, whirls|whirl|whirling, "
        "turns|turn|turning, spins around|spinning around, spins in place|spinning in place, twists|twisting",
        "berputar, berotasi; berputar-putar, memutar, berpusing, diputar, berpilin, berputar di tempat",
    ),
    (
        "stop",
        "events",
        "stops|stop|stopping|stopped, comes to rest|come to rest|coming to rest, comes to a stop|come to a stop; "
        "halts|halt, comes to a halt, slows down|slow down|slowing down, stops moving",
        "berhenti; terhenti, berhenti bergerak, melambat",
    ),
    (
        "leave",
        "events",
        "leaves the frame|leave the frame|leaving the frame, goes out of view|go out of view|going out of view; "
        "leaves|leave|leaving, exits|exit|exiting, exits the frame, leaves the screen, rolls out of frame, "
        "disappears|disappear|disappearing, vanishes|vanish, goes out of frame, out of view",
        "keluar dari bingkai, keluar dari layar; menghilang, hilang dari pandangan, meninggalkan layar, pergi, "
        "keluar dari pandangan, lenyap, hilang, meninggalkan bingkai, keluar layar, keluar bingkai",
    ),
    (
        "enter",
        "events",
        "outside the frame, off screen; enters|enter|entering, enters the frame, comes in|coming in, "
        "comes into view, into view, into frame, into the frame, from outside the frame, from off screen, out of frame",
        "di luar bingkai, di luar layar; masuk, memasuki, memasuki layar, masuk ke layar, masuk ke bingkai, "
        "dari luar bingkai, dari luar layar",
    ),
    (
        "move",
        "events",
        "moves|move|moving|moved, travels|travel|travelling|traveling; heads|heading, drifts|drift|drifting, goes|go|going",
        "bergerak; berpindah, gerakan, gerak, melaju",
    ),
    # Where: `at`, `to`, `from` and `of` say what a side is the side of.
    ("left", "places", "left; leftward, leftwards", "kiri; sebelah kirinya"),
    ("right", "places", "right; rightward, rightwards", "kanan"),
    ("centre", "places", "centre, middle; center", "tengah; pusat"),
    (
        "top",
        "places",
        "in the air, high up; above, at the top, overhead, in mid air, over, top, up in the air, up high, the air",
        "di udara, tinggi di udara; atas, di bagian atas, udara, di ketinggian",
    ),
    ("behind", "places", "behind", "di belakang, di balik; belakang, balik"),
    ("front", "places", "in front of; front, in front", "di depan; depan, di hadapan"),
    ("on", "places", "on; on top of, upon, onto, across, along, atop", "di atas; ke atas, sepanjang, bertumpu pada"),
    ("under", "places", "under; below, beneath, underneath", "di bawah; bawah"),
    ("beside", "places", "next to, beside; near, close to, alongside, beside of", "di sebelah, di samping; di dekat, dekat, samping, sebelah"),
    ("towards", "places", "towards the camera, closer; towards us, toward the camera, towards, toward, nearer, forward, forwards", "mendekat, ke arah kamera; mendekati kamera, maju, ke depan, mendekati, menuju, ke arah, menuju kamera"),
    ("away", "places", "away, away from the camera; into the distance, backward, backwards, away from, farther away, further away", "menjauh, menjauhi kamera; menjauhi, mundur, menjauh dari kamera, ke belakang, ke kejauhan, menjauh dari"),
    ("down", "places", "down; downwards, downward, downhill", "menuruni; turun, ke bawah"),
    ("other side", "places", "on the other side; from the other side, the other side, on the far side", "di sisi lain, di sisi lainnya; dari sisi lain, di seberang, sisi lain, sisi yang lain, di sisi sebelah"),
    # Grammar that carries meaning.
    ("at", "grammar", "", ""),
    ("to", "grammar", "to; into", "ke; kepada"),
    ("from", "grammar", "from", "dari; daripada"),
    ("of", "grammar", "", ""),
    ("by", "grammar", "by", "oleh"),
    ("and", "grammar", "and; &, plus, as well as", "dan; serta"),
    ("then", "grammar", "then, and then; after that, afterwards, next, before, finally, and finally, later, until, followed by", "lalu, kemudian; setelah itu, sesudah itu, dan kemudian, akhirnya, selanjutnya, terus, hingga, sampai, sebelum, dan lalu, dan akhirnya"),
    ("while", "grammar", "while, as; meanwhile, whilst, at the same time, when", "sementara, sambil; ketika, saat, selagi, seraya, sedangkan, pada saat yang sama, sementara itu"),
    ("one", "numbers", "one; single, 1", "satu; sebuah saja, 1, salah satu, suatu"),
    ("two", "numbers", "two; both, 2, a pair of, pair", "dua; kedua, 2, sepasang, keduanya"),
    ("three", "numbers", "three; 3", "tiga; ketiga, 3"),
    ("four", "numbers", "four; 4", "empat; keempat, 4"),
    ("five", "numbers", "five; 5", "lima; kelima, 5"),
    ("six", "numbers", "six; 6", "enam; 6"),
    ("seven", "numbers", "seven; 7", "tujuh; 7"),
    ("eight", "numbers", "eight; 8", "delapan; 8"),
    ("nine", "numbers", "nine; 9", "sembilan; 9"),
    ("ten", "numbers", "ten; 10", "sepuluh; 10"),
    ("several", "numbers", "several; many, some, a few, multiple, various", "beberapa; banyak, sejumlah, berbagai, bermacam"),
    ("times", "numbers", "times; time", "kali"),
    ("first", "numbers", "first", "pertama; yang pertama"),
    ("second", "numbers", "second", "yang kedua"),
    ("third", "numbers", "third", "yang ketiga"),
    ("fourth", "numbers", "fourth", "yang keempat"),
    ("other", "numbers", "other, another; different", "lain; lainnya, yang lain, yang lainnya, satunya"),
    ("stack", "shapes", "stack|stacks, pile|piles; tower|towers, stacked, heap", "tumpukan; menara, bertumpuk, ditumpuk, susunan, timbunan"),
    # How it is seen.
    ("camera", "camera", "camera; cam, viewpoint", "kamera"),
    ("pan", "camera", "pans|pan|panning|panned", "menyapu, menoleh; pan, panning, berpaling, menengok"),
    ("orbit", "camera", "orbits|orbit|orbiting, circles|circle|circling; orbits around|orbit around|orbiting around, circles around|circling around, goes around|go around|going around, moves around|moving around, rotates around|rotating around, revolves around, revolves, arcs around", "mengorbit, mengitari; mengelilingi, orbit, berputar mengelilingi, memutari, berkeliling"),
    ("rise", "camera", "rises|rise|rising; moves up|move up|moving up, goes up|go up|going up, cranes up, up, upwards, upward, climbs|climbing", "naik; bergerak naik, terangkat, meninggi, menaik"),
    ("eye level", "camera", "at eye level; eye level, from eye level, eye height", "setinggi mata; sejajar mata, sejajar dengan mata, ketinggian mata"),
    ("low angle", "camera", "from a low angle; low angle, from below, seen from below, from low down", "dari sudut rendah; sudut rendah, dari bawah, dilihat dari bawah"),
    ("high angle", "camera", "from a high angle; high angle, seen from above, view from above, bird's eye view, bird's eye, top view, top down, aerial", "dari sudut tinggi; sudut tinggi, dilihat dari atas, terlihat dari atas, pandangan dari atas, dari sudut atas"),
    ("light", "light", "light; lights, lit, sunlight, lighting, sun, illuminated, sunshine, sun shines, sun shining, shines, shining", "cahaya, sinar; disinari, matahari, cahaya matahari, diterangi, terang, sinar matahari, pencahayaan, menyinari, bersinar"),
    ("noon", "light", "at noon, at midday, in daylight; noon, midday, daylight, daytime, in the daytime, during the day, day, sunny, on a sunny day, bright daylight, afternoon", "pada siang hari, di siang hari, saat tengah hari; siang hari, siang, tengah hari, siang bolong, waktu siang, hari yang cerah, cerah, saat siang hari, saat siang, terik, tengah hari bolong"),
    ("sunset", "light", "at sunset, at dusk; sunset, dusk, golden hour, evening, twilight, in the evening, sundown, at golden hour, setting sun, the sun sets, sun sets, sun setting, sunrise, at dawn", "saat matahari terbenam, pada waktu senja, saat senja; matahari terbenam, senja, senja hari, sore, sore hari, petang, ketika matahari terbenam, matahari tenggelam, pada senja hari, pada sore hari, waktu matahari terbenam, saat matahari tenggelam"),
    ("night", "light", "at night, in the moonlight; night, nighttime, night-time, by night, in the dark, moonlight, moon, moonlit, midnight, darkness, during the night, nightfall, night sky", "pada malam hari, di malam hari, saat malam; malam hari, malam, waktu malam, cahaya bulan, bulan, tengah malam, gelap, saat malam hari, pada waktu malam, kegelapan, di bawah sinar bulan, sinar bulan, terang bulan"),
    ("grass", "ground", "grass, lawn; grassy, meadow, field, grassland, grassy ground, grassy field", "rumput, rerumputan; padang rumput, lapangan, lapangan rumput, berumput, lapangan berumput"),
    ("sand", "ground", "sand; sandy, beach, desert, sandy ground, sandy beach", "pasir; hamparan pasir, pantai, gurun, berpasir, padang pasir, tanah berpasir, pantai berpasir, gurun pasir"),
    ("tiles", "ground", "tiles, tiled floor; tile, tiled, checkered floor, ceramic floor", "ubin, lantai ubin; keramik, lantai keramik, ubin keramik, lantai berubin"),
    ("wood", "ground", "wooden floor, floorboards; wood, wooden, wood floor, parquet", "lantai kayu; kayu, parket, lantai parket, papan kayu lantai"),
    ("snow", "ground", "snow; snowy, snowy ground, snow-covered, snow-covered ground, snowy field", "salju; bersalju, tanah bersalju, hamparan salju, lapangan salju, lapangan bersalju"),
    ("floor", "ground", "ground, floor; surface, earth", "tanah, lantai; permukaan, bumi"),
)  # fmt: skip

PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "on the left": ("at", "left"),
        "on the left side": ("at", "left"),
        "at the left": ("at", "left"),
        "left side": ("at", "left"),
        "on the right": ("at", "right"),
        "on the right side": ("at", "right"),
        "at the right": ("at", "right"),
        "right side": ("at", "right"),
        "in the centre": ("at", "centre"),
        "in the center": ("at", "centre"),
        "in the middle": ("at", "centre"),
        "at the centre": ("at", "centre"),
        "at the center": ("at", "centre"),
        "to the left of": ("left", "of"),
        "on the left of": ("left", "of"),
        "on the left side of": ("left", "of"),
        "left of": ("left", "of"),
        "to the right of": ("right", "of"),
        "on the right of": ("right", "of"),
        "on the right side of": ("right", "of"),
        "right of": ("right", "of"),
        "left around": ("left",),  # orbits left around
        "right around": ("right",),
        "from above": ("from", "top"),
        "from the top": ("from", "top"),
        "from the air": ("from", "top"),
        "from the sky": ("from", "top"),
        "from a height": ("from", "top"),
        "from high up": ("from", "top"),
        "from high above": ("from", "top"),
        "behind it": ("behind",),
        "in front of it": ("front",),
        "disappears behind": ("pass", "behind"),
        "disappear behind": ("pass", "behind"),
        "disappearing behind": ("pass", "behind"),
        "vanishes behind": ("pass", "behind"),
        "hides behind": ("pass", "behind"),
        "is hit by": ("hit", "by"),
        "are hit by": ("hit", "by"),
        "hit by": ("hit", "by"),
        "is struck by": ("hit", "by"),
        "struck by": ("hit", "by"),
        "is pushed by": ("hit", "by"),
        "pushed by": ("hit", "by"),
        "knocks over": ("hit", "topple"),
        "knock over": ("hit", "topple"),
        "knocking over": ("hit", "topple"),
        "knocks down": ("hit", "topple"),
        "knocking down": ("hit", "topple"),
        "through the air": ("top",),
        "once": ("one", "times"),
        "twice": ("two", "times"),
        "thrice": ("three", "times"),
        "golden": ("yellow", "metal"),
        "gold": ("yellow", "metal"),
        "backlit": ("light", "from", "behind"),
        "moves closer": ("move", "towards"),
        "moves in": ("move", "towards"),
        "dollies in": ("move", "towards"),
        "dolly in": ("move", "towards"),
        "dollying in": ("move", "towards"),
        "pushes in": ("move", "towards"),
        "push in": ("move", "towards"),
        "pushing in": ("move", "towards"),
        "zooms in": ("move", "towards"),
        "zoom in": ("move", "towards"),
        "zooming in": ("move", "towards"),
        "comes closer": ("move", "towards"),
        "approaches": ("move", "towards"),
        "camera turns": ("camera", "pan"),
        "camera rotates": ("camera", "orbit"),
        "goes behind": ("pass", "behind"),
        "going behind": ("pass", "behind"),
        "moves behind": ("pass", "behind"),
        "dollies out": ("move", "away"),
        "dolly out": ("move", "away"),
        "dollying out": ("move", "away"),
        "pulls back": ("move", "away"),
        "pull back": ("move", "away"),
        "pulling back": ("move", "away"),
        "pulls away": ("move", "away"),
        "pulls out": ("move", "away"),
        "moves back": ("move", "away"),
        "backs away": ("move", "away"),
        "zooms out": ("move", "away"),
        "zoom out": ("move", "away"),
        "zooming out": ("move", "away"),
    },
    "id": {
        "di kiri": ("at", "left"),
        "di sebelah kiri": ("at", "left"),
        "di sisi kiri": ("at", "left"),
        "di bagian kiri": ("at", "left"),
        "sebelah kiri": ("at", "left"),
        "di kanan": ("at", "right"),
        "di sebelah kanan": ("at", "right"),
        "di sisi kanan": ("at", "right"),
        "di bagian kanan": ("at", "right"),
        "sebelah kanan": ("at", "right"),
        "di tengah": ("at", "centre"),
        "di bagian tengah": ("at", "centre"),
        "di kiri dari": ("left", "of"),
        "di sebelah kiri dari": ("left", "of"),
        "di kanan dari": ("right", "of"),
        "di sebelah kanan dari": ("right", "of"),
        "dari sebelah kiri": ("from", "left"),
        "dari sebelah kanan": ("from", "right"),
        "ke sebelah kiri": ("to", "left"),
        "ke sebelah kanan": ("to", "right"),
        "ke arah kiri": ("to", "left"),
        "ke arah kanan": ("to", "right"),
        "dari atas": ("from", "top"),
        "dari udara": ("from", "top"),
        "dari langit": ("from", "top"),
        "dari ketinggian": ("from", "top"),
        "menghilang di balik": ("pass", "behind"),
        "menghilang di belakang": ("pass", "behind"),
        "ke balik": ("pass", "behind"),
        "ditabrak": ("hit", "by"),
        "ditabrak oleh": ("hit", "by"),
        "dibentur": ("hit", "by"),
        "tertabrak": ("hit", "by"),
        "tertabrak oleh": ("hit", "by"),
        "terbentur": ("hit", "by"),
        "dihantam": ("hit", "by"),
        "didorong": ("hit", "by"),
        "merobohkan": ("hit", "topple"),
        "menumbangkan": ("hit", "topple"),
        "menggulingkan": ("hit", "topple"),
        "dirobohkan": ("topple",),
        "digulingkan": ("topple",),
        "sekali": ("one", "times"),
        "berkali-kali": ("several", "times"),
        "berulang kali": ("several", "times"),
        "emas": ("yellow", "metal"),
        "keemasan": ("yellow", "metal"),
        "zoom in": ("move", "towards"),
        "zoom out": ("move", "away"),
        "memperbesar": ("move", "towards"),
        "kamera bergeser": ("camera", "pan"),
        "kamera mendekat": ("camera", "move", "towards"),
        "kamera mendekati": ("camera", "move", "towards"),
        "kamera maju": ("camera", "move", "towards"),
        "kamera menjauh": ("camera", "move", "away"),
        "kamera menjauhi": ("camera", "move", "away"),
        "kamera mundur": ("camera", "move", "away"),
        "kamera berputar": ("camera", "orbit"),
        "kamera memutar": ("camera", "orbit"),
        "bergerak maju": ("move", "towards"),
        "bergerak mundur": ("move", "away"),
    },
}
"""Words that say several concepts at once, or a side together with what it is the side of."""

DROPPED: dict[str, str] = {
    "en": "a an the this that these those there here is are was were be been being has have it its they them their he "
    "she which who in at with of for or so just very really also too all each every own itself themselves made out "
    "video clip scene shot footage view film movie picture image shows show showing shown see seen we you i me us our "
    "create make generate render please want would like can could will should let's looks look sky horizon thing "
    "things object objects coloured colored color colour sized size shaped shape frame screen against does do again",
    "id": "yang itu ini tersebut adalah ialah di pada dengan untuk sebuah seekor sebutir sebatang seutas sebilah "
    "selembar sepotong sebiji para ada terdapat berada terlihat tampak kelihatan ia dia mereka kita kami aku saya kamu "
    "anda juga saja pula agar supaya akan telah sudah dalam terbuat buat buatkan buatlah membuat tolong video klip "
    "adegan rekaman gambar film bidikan menampilkan memperlihatkan menunjukkan tentang seperti sangat amat lagi warna "
    "berwarna ukuran berukuran bentuk berbentuk benda objek buah butir langit cakrawala layar bingkai arah bagian sisi "
    "secara hari waktu masih mulai bahan berbahan material bermaterial saling sama posisi suasana",
}
"""Words that are understood and carry nothing here, such as articles and "a video of"."""
