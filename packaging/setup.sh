# Sourced by `run` and `test`: goes to the repository's root, finds out what this machine lacks to build and show
# the program, prints it and installs it. Does nothing, and needs no network, where nothing is missing.
#
# `prepare_machine` takes the names of further needs (see `describe`) and leaves CARGO_TARGET_DIR set.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# Outside the clone, so that fresh clones reuse what was built before.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/maskwright/target}
[[ $CARGO_TARGET_DIR == /* ]] || CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR
export CARGO_TARGET_DIR

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

have_command() { command -v "$1" >/dev/null 2>&1; }

# Cached, because ldconfig lists thousands of lines; it lives in a folder that is not on every user's PATH.
known_libraries=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null || true)

have_library() {
    [[ $known_libraries == *$'\t'"$1 "* ]] || compgen -G "/usr/lib*/$1" >/dev/null || compgen -G "/usr/lib/*/$1" >/dev/null
}

# Whether a Vulkan driver manifest exists whose file name matches (or, with a leading !, does not match) the pattern.
have_vulkan_driver() {
    local pattern=${1#!} manifest
    for manifest in {/usr/share,/usr/local/share,/etc,/usr/local/etc,"${XDG_DATA_HOME:-${HOME:-}/.local/share}"}/vulkan/icd.d/*.json; do
        [[ -e $manifest ]] || continue
        # shellcheck disable=SC2053 # the pattern is meant to match
        if [[ ${manifest##*/} == $pattern ]]; then
            [[ $1 == !* ]] || return 0
        else
            [[ $1 == !* ]] && return 0
        fi
    done
    return 1
}

have_gpu() { compgen -G '/dev/dri/renderD*' >/dev/null || compgen -G '/dev/nvidia[0-9]*' >/dev/null; }

# A driver named by the user counts as one; otherwise a graphics card with its driver, or Mesa's software Vulkan.
can_draw() {
    [[ -n ${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-} ]] || { have_gpu && have_vulkan_driver '!lvp*'; } || have_vulkan_driver 'lvp*'
}

# Whether a need is met.
met() {
    case $1 in
    compiler) have_command cc && have_command c++ ;;
    vulkan-loader) have_library libvulkan.so.1 ;;
    vulkan-driver) can_draw ;;
    xkbcommon) have_library libxkbcommon.so.0 ;;
    xkbcommon-x11) have_library libxkbcommon-x11.so.0 ;;
    x11-xcb) have_library libX11-xcb.so.1 ;;
    xcursor) have_library libXcursor.so.1 ;;
    xi) have_library libXi.so.6 ;;
    xrandr) have_library libXrandr.so.2 ;;
    wayland) have_library libwayland-client.so.0 ;;
    xvfb) have_command Xvfb ;;
    xdotool) have_command xdotool ;;
    imagemagick) have_command import ;;
    esac
}

describe() {
    case $1 in
    compiler) echo 'a C and C++ compiler, for building' ;;
    vulkan-loader) echo 'the Vulkan loader, for drawing and computing' ;;
    vulkan-driver) echo 'a Vulkan driver: Mesa, with its software Vulkan for machines without a graphics card' ;;
    xkbcommon | xkbcommon-x11) echo 'keyboard layouts, for the window' ;;
    x11-xcb | xcursor | xi | xrandr) echo 'an X11 library, for the window' ;;
    wayland) echo 'the Wayland library, for the window' ;;
    xvfb) echo 'an X server without a screen, for testing the window' ;;
    xdotool) echo 'pointer and key events, for testing the window' ;;
    imagemagick) echo 'screenshots, for testing the window' ;;
    esac
}

# The packages that meet a need.
packages() {
    case $manager:$1 in
    apt:compiler) echo gcc g++ libc6-dev ;;
    dnf:compiler) echo gcc gcc-c++ ;;
    pacman:compiler) echo gcc ;;
    apt:vulkan-loader) echo libvulkan1 ;;
    dnf:vulkan-loader) echo vulkan-loader ;;
    pacman:vulkan-loader) echo vulkan-icd-loader ;;
    apt:vulkan-driver | dnf:vulkan-driver) echo mesa-vulkan-drivers ;;
    pacman:vulkan-driver) echo vulkan-swrast ;;
    apt:xkbcommon) echo libxkbcommon0 ;;
    apt:xkbcommon-x11) echo libxkbcommon-x11-0 ;;
    *:xkbcommon) echo libxkbcommon ;;
    *:xkbcommon-x11) echo libxkbcommon-x11 ;;
    apt:x11-xcb) echo libx11-xcb1 ;;
    dnf:x11-xcb) echo libX11-xcb ;;
    pacman:x11-xcb) echo libx11 ;;
    apt:xcursor) echo libxcursor1 ;;
    dnf:xcursor) echo libXcursor ;;
    pacman:xcursor) echo libxcursor ;;
    apt:xi) echo libxi6 ;;
    dnf:xi) echo libXi ;;
    pacman:xi) echo libxi ;;
    apt:xrandr) echo libxrandr2 ;;
    dnf:xrandr) echo libXrandr ;;
    pacman:xrandr) echo libxrandr ;;
    apt:wayland) echo libwayland-client0 ;;
    dnf:wayland) echo libwayland-client ;;
    pacman:wayland) echo wayland ;;
    apt:xvfb) echo xvfb ;;
    dnf:xvfb) echo xorg-x11-server-Xvfb ;;
    pacman:xvfb) echo xorg-server-xvfb ;;
    *:xdotool) echo xdotool ;;
    dnf:imagemagick) echo ImageMagick ;;
    *:imagemagick) echo imagemagick ;;
    esac
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif have_command sudo; then
        sudo "$@"
    else
        fail "This needs the administrator: run the following as root, then start this again." "  $*"
    fi
}

install_packages() {
    case $manager in
    apt)
        # An unreachable source need not matter: whether the packages are found decides.
        as_root apt-get update -q || true
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
        ;;
    dnf) as_root dnf install -y "$@" ;;
    # A list of packages that is absent or old is fetched anew; otherwise it is left as it is.
    pacman) as_root pacman -S --needed --noconfirm "$@" || as_root pacman -Sy --needed --noconfirm "$@" ;;
    esac
}

prepare_libraries() {
    local need missing=() wanted=()
    for need in "$@"; do
        met "$need" || missing+=("$need")
    done
    ((${#missing[@]})) || return 0
    local manager=
    if have_command apt-get; then
        manager=apt
    elif have_command dnf; then
        manager=dnf
    elif have_command pacman; then
        manager=pacman
    fi
    echo 'Missing on this machine:'
    for need in "${missing[@]}"; do
        # shellcheck disable=SC2207 # package names hold no spaces
        [[ -z $manager ]] || wanted+=($(packages "$need"))
        echo "  $need: $(describe "$need")"
    done
    [[ -n $manager ]] || fail 'No apt, dnf or pacman found: install these with your own package manager and start this again.'
    echo "Installing with $manager: ${wanted[*]}"
    install_packages "${wanted[@]}" || fail "The packages could not be installed: see the message of $manager above."
    known_libraries=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null || true)
}

prepare_rust() {
    have_command cargo || [[ ! -x ${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo ]] || PATH=${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    have_command cargo || fail "Rust $wanted or newer is missing. Install it as https://rustup.rs says:" \
        "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y" 'and start this again.'
    found=$(rustc --version | cut -d' ' -f2)
    [[ $(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1) == "$wanted" ]] ||
        fail "Rust $found is too old: this needs $wanted or newer. Update it (\`rustup update stable\`) and start this again."
}

# Cargo knows our base package by its place below the clone: what another clone built in a shared target folder it takes
# for this one's, as long as the other's files are as they were. The clone that built last is written down.
forget_other_clones() {
    local stamp=$CARGO_TARGET_DIR/last-clone
    mkdir -p "$CARGO_TARGET_DIR"
    if [[ ! -e $stamp || $(<"$stamp") != "$PWD" ]]; then
        cargo clean --quiet --locked --package maskwright-base
        cargo clean --quiet --locked --release --package maskwright-base
        printf '%s\n' "$PWD" >"$stamp"
    fi
}

prepare_machine() {
    if [[ $(uname -s) == Linux ]]; then
        prepare_libraries compiler vulkan-loader vulkan-driver xkbcommon xkbcommon-x11 x11-xcb xcursor xi xrandr wayland "$@"
    fi
    prepare_rust
    forget_other_clones
}
