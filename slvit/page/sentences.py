"""The sentences that errors carry, in the languages of the page besides English.

Errors are written once, in English, where they are raised; the page finds the sentence here by its English pattern, in
which # stands for a value, and fills in the values in the same order. A sentence that is not found stays English.
"""

# ruff: noqa: E501 (a sentence stays on its line)

from __future__ import annotations

CHINESE = {
    "This file": "此文件",
    "type what to look for, such as “the dog on the left”": "请用英文写出要找什么，例如 “the dog on the left”",
    "There is no expression: #.": "还没有描述：#。",
    "There is no expression: write up to six, one a line.": "还没有描述：请写最多六条，每行一条。",
    "There are # expressions: at most # are compared.": "共有 # 条描述：最多比较 # 条。",
    '"#" has no word in it: #.': "“#” 里没有词：#。",
    'No word of "#" is known here: describe the object in English.': "“#” 中没有认识的词：请用英文描述物体。",
    "# is empty: save or download it again.": "# 是空的：请重新保存或下载。",
    "# is damaged: save or download it again.": "# 已损坏：请重新保存或下载。",
    "# is damaged or cut short: save or download it again.": "# 已损坏或不完整：请重新保存或下载。",
    "# cannot be read: check the path and its permissions.": "无法读取 #：请检查路径和权限。",
    "# is too large: at most # megapixels are answered.": "# 太大：最多处理 # 百万像素。",
    "# is a HEIC photo, which needs the package pillow-heif: install it, or save the photo as JPEG.": "# 是 HEIC 照片，需要 pillow-heif 包：请安装它，或把照片另存为 JPEG。",
    "# is not a photo that can be read: choose a # file.": "# 不是可读取的照片：请选择 # 文件。",
    "# is made so that decoding it takes very long: save it anew first.": "# 的编码方式使解码极慢：请先重新保存。",
    "# is a web address: download the photo and give its path.": "# 是网址：请下载照片后给出路径。",
    "# is a folder: give the path of one photo.": "# 是文件夹：请给出一张照片的路径。",
    "There is no file #: check the path.": "没有文件 #：请检查路径。",
    "# is a file of more than # MB: make it smaller first.": "# 超过 # MB：请先缩小。",
    "This photo has # × # pixels: at most # megapixels are answered, so make it smaller first.": "这张照片有 # × # 像素：最多处理 # 百万像素，请先缩小。",
    "This photo has # × # pixels: at least # × # are needed to see anything, so choose a larger one.": "这张照片有 # × # 像素：至少需要 # × # 才能看出东西，请选更大的照片。",
    "This photo's colour mode (#) cannot be read: save it as RGB first.": "无法读取这张照片的颜色模式（#）：请先另存为 RGB。",
    "There is too little memory on the GPU for this photo: try again later, or use --device cpu.": "GPU 内存不足以处理这张照片：请稍后再试，或使用 --device cpu。",
    "Too many visitors are asking at once: try again in a minute.": "同时提问的访客太多：请一分钟后再试。",
    "No answer could be started within # seconds: try again in a minute.": "# 秒内未能开始回答：请一分钟后再试。",
    "No checkpoint is loaded: start the page with --checkpoint FOLDER_OR_ID.": "没有加载检查点：请用 --checkpoint FOLDER_OR_ID 启动页面。",
    "There is no checkpoint of that name: choose one of those shown.": "没有这个名称的检查点：请从所列中选择。",
}

SPANISH = {
    "This file": "Este archivo",
    "type what to look for, such as “the dog on the left”": "escriba en inglés qué buscar, por ejemplo “the dog on the left”",
    "There is no expression: #.": "No hay expresión: #.",
    "There is no expression: write up to six, one a line.": "No hay expresión: escriba hasta seis, una por línea.",
    "There are # expressions: at most # are compared.": "Hay # expresiones: se comparan como máximo #.",
    '"#" has no word in it: #.': "«#» no contiene ninguna palabra: #.",
    'No word of "#" is known here: describe the object in English.': "Aquí no se conoce ninguna palabra de «#»: describa el objeto en inglés.",
    "# is empty: save or download it again.": "# está vacío: guárdelo o descárguelo de nuevo.",
    "# is damaged: save or download it again.": "# está dañado: guárdelo o descárguelo de nuevo.",
    "# is damaged or cut short: save or download it again.": "# está dañado o incompleto: guárdelo o descárguelo de nuevo.",
    "# cannot be read: check the path and its permissions.": "# no se puede leer: compruebe la ruta y sus permisos.",
    "# is too large: at most # megapixels are answered.": "# es demasiado grande: se admiten como máximo # megapíxeles.",
    "# is a HEIC photo, which needs the package pillow-heif: install it, or save the photo as JPEG.": "# es una foto HEIC, que necesita el paquete pillow-heif: instálelo o guarde la foto como JPEG.",
    "# is not a photo that can be read: choose a # file.": "# no es una foto legible: elija un archivo #.",
    "# is made so that decoding it takes very long: save it anew first.": "# está hecho de modo que leerlo lleva mucho tiempo: guárdelo de nuevo primero.",
    "# is a web address: download the photo and give its path.": "# es una dirección web: descargue la foto e indique su ruta.",
    "# is a folder: give the path of one photo.": "# es una carpeta: indique la ruta de una foto.",
    "There is no file #: check the path.": "No existe el archivo #: compruebe la ruta.",
    "# is a file of more than # MB: make it smaller first.": "# es un archivo de más de # MB: redúzcalo primero.",
    "This photo has # × # pixels: at most # megapixels are answered, so make it smaller first.": "Esta foto tiene # × # píxeles: se admiten como máximo # megapíxeles, redúzcala primero.",
    "This photo has # × # pixels: at least # × # are needed to see anything, so choose a larger one.": "Esta foto tiene # × # píxeles: hacen falta al menos # × # para ver algo, elija una más grande.",
    "This photo's colour mode (#) cannot be read: save it as RGB first.": "El modo de color de esta foto (#) no se puede leer: guárdela primero como RGB.",
    "There is too little memory on the GPU for this photo: try again later, or use --device cpu.": "La GPU no tiene memoria suficiente para esta foto: inténtelo más tarde o use --device cpu.",
    "Too many visitors are asking at once: try again in a minute.": "Demasiadas personas preguntan a la vez: inténtelo dentro de un minuto.",
    "No answer could be started within # seconds: try again in a minute.": "No se pudo empezar ninguna respuesta en # segundos: inténtelo dentro de un minuto.",
    "No checkpoint is loaded: start the page with --checkpoint FOLDER_OR_ID.": "No hay ningún modelo cargado: inicie la página con --checkpoint FOLDER_OR_ID.",
    "There is no checkpoint of that name: choose one of those shown.": "No hay ningún modelo con ese nombre: elija uno de los que se muestran.",
}

GERMAN = {
    "This file": "Diese Datei",
    "type what to look for, such as “the dog on the left”": "auf Englisch schreiben, was gesucht wird, etwa „the dog on the left“",
    "There is no expression: #.": "Es gibt keinen Ausdruck: #.",
    "There is no expression: write up to six, one a line.": "Es gibt keinen Ausdruck: bis zu sechs schreiben, je einen in einer Zeile.",
    "There are # expressions: at most # are compared.": "Es sind # Ausdrücke: verglichen werden höchstens #.",
    '"#" has no word in it: #.': "„#“ enthält kein Wort: #.",
    'No word of "#" is known here: describe the object in English.': "Kein Wort von „#“ ist hier bekannt: bitte auf Englisch beschreiben.",
    "# is empty: save or download it again.": "# ist leer: bitte neu speichern oder herunterladen.",
    "# is damaged: save or download it again.": "# ist beschädigt: bitte neu speichern oder herunterladen.",
    "# is damaged or cut short: save or download it again.": "# ist beschädigt oder unvollständig: bitte neu speichern oder herunterladen.",
    "# cannot be read: check the path and its permissions.": "# lässt sich nicht lesen: bitte Pfad und Rechte prüfen.",
    "# is too large: at most # megapixels are answered.": "# ist zu groß: beantwortet werden höchstens # Megapixel.",
    "# is a HEIC photo, which needs the package pillow-heif: install it, or save the photo as JPEG.": "# ist ein HEIC-Foto, das pillow-heif braucht: das Paket installieren oder das Foto als JPEG speichern.",
    "# is not a photo that can be read: choose a # file.": "# ist kein lesbares Foto: bitte eine Datei der Art # wählen.",
    "# is made so that decoding it takes very long: save it anew first.": "# ist so gemacht, dass das Lesen sehr lange dauert: bitte zuerst neu speichern.",
    "# is a web address: download the photo and give its path.": "# ist eine Webadresse: bitte das Foto herunterladen und seinen Pfad angeben.",
    "# is a folder: give the path of one photo.": "# ist ein Ordner: bitte den Pfad eines Fotos angeben.",
    "There is no file #: check the path.": "Eine Datei # gibt es nicht: bitte den Pfad prüfen.",
    "# is a file of more than # MB: make it smaller first.": "# hat mehr als # MB: bitte zuerst verkleinern.",
    "This photo has # × # pixels: at most # megapixels are answered, so make it smaller first.": "Dieses Foto hat # × # Pixel: beantwortet werden höchstens # Megapixel, also bitte zuerst verkleinern.",
    "This photo has # × # pixels: at least # × # are needed to see anything, so choose a larger one.": "Dieses Foto hat # × # Pixel: mindestens # × # sind nötig, um etwas zu sehen, also bitte ein größeres wählen.",
    "This photo's colour mode (#) cannot be read: save it as RGB first.": "Der Farbmodus dieses Fotos (#) lässt sich nicht lesen: bitte zuerst als RGB speichern.",
    "There is too little memory on the GPU for this photo: try again later, or use --device cpu.": "Die GPU hat zu wenig Speicher für dieses Foto: bitte später versuchen oder --device cpu verwenden.",
    "Too many visitors are asking at once: try again in a minute.": "Zu viele fragen gerade zugleich: bitte in einer Minute noch einmal.",
    "No answer could be started within # seconds: try again in a minute.": "Innerhalb von # Sekunden konnte keine Antwort beginnen: bitte in einer Minute noch einmal.",
    "No checkpoint is loaded: start the page with --checkpoint FOLDER_OR_ID.": "Kein Modell ist geladen: die Seite mit --checkpoint FOLDER_OR_ID starten.",
    "There is no checkpoint of that name: choose one of those shown.": "Ein Modell dieses Namens gibt es nicht: bitte eines der gezeigten wählen.",
}

SENTENCES = {"zh": CHINESE, "es": SPANISH, "de": GERMAN}
